// A service of a test's own: the program that PRICETIME names, on a free port, with its data in a folder of its own.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const READY_MS = 60_000;

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Asks again until the answer is there, or the time is up. */
export async function until(what, ask, milliseconds = 15_000) {
  const deadline = Date.now() + milliseconds;
  let last;
  while (Date.now() < deadline) {
    try {
      const found = await ask();
      if (found) {
        return found;
      }
      last = found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`in vain waited until ${what}: ${last}`);
}

export class Service {
  static async start(settings = {}, options = []) {
    const program = process.env.PRICETIME;
    if (!program) {
      throw new Error("PRICETIME names the program to test");
    }
    const service = new Service();
    Object.assign(service, {
      program,
      options,
      folder: mkdtempSync(join(tmpdir(), "pricetime-ui-")),
      port: await freePort(),
    });
    service.settings = { DEBUG: "true", RUST_LOG: "warn", ...settings };
    await service.run();
    return service;
  }

  get base() {
    return `http://127.0.0.1:${this.port}`;
  }

  async run() {
    const environment = {
      ...this.settings,
      HOST: "127.0.0.1",
      PORT: String(this.port),
      DATA_DIR: join(this.folder, "data"),
    };
    this.process = spawn(this.program, ["serve", ...this.options], {
      cwd: this.folder,
      env: environment,
      stdio: "inherit",
    });
    this.ended = new Promise((resolve) => this.process.once("exit", resolve));
    const ready = until("the service is ready", async () => (await fetch(`${this.base}/readyz`)).ok, READY_MS);
    const ended = this.ended.then((code) => Promise.reject(new Error(`the service ended with ${code}`)));
    // Later on it ends when a test wants it to.
    ended.catch(() => undefined);
    await Promise.race([ready, ended]);
  }

  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  async end() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
