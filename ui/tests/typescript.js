// Lets Node.js import the modules of src: `node --import ./tests/typescript.js`.
import { existsSync, readFileSync } from "node:fs";
import { register } from "node:module";
import { fileURLToPath } from "node:url";
import ts from "typescript";

register(import.meta.url);

export function resolve(specifier, context, next) {
  const isOwn = specifier.startsWith(".") && context.parentURL?.includes("/ui/src/");
  const file = isOwn ? new URL(`${specifier}.ts`, context.parentURL) : null;
  return file && existsSync(fileURLToPath(file)) ? { url: file.href, shortCircuit: true } : next(specifier, context);
}

export function load(url, context, next) {
  if (!url.endsWith(".ts")) {
    return next(url, context);
  }
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true };
  const { outputText } = ts.transpileModule(readFileSync(fileURLToPath(url), "utf8"), { compilerOptions: options });
  return { format: "module", source: outputText, shortCircuit: true };
}
