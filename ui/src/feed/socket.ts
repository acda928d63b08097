// One socket for all channels of the page. It keeps each channel's cursor, closes gaps, comes back by itself, and always
// says how fresh is what the page shows.

import { signal } from "@preact/signals";
import { apiUrl } from "../api/client";
import type { FeedMessage, ServerMessage } from "../api/types";
import { judge } from "./cursor";

/** How the page stands to the service. */
export type Connection =
  { state: "connecting" } | { state: "live" } | { state: "resyncing" } | { state: "stale"; seconds: number };

export interface Handler {
  snapshot(data: never, message: FeedMessage): void;
  update(data: never, message: FeedMessage): void;
}

interface Channel {
  handler: Handler;
  cursor: number | null;
  synced: boolean;
}

/** A silent service is asked for a sign of life this often (ms), and counts as stale without one for so long. */
const PING = 1000;
const STALE = 3000;
/** An open connection without a sign of life is given up after so long. */
const DEAD = 10_000;
const FIRST_RETRY = 200;
const LAST_RETRY = 2000;
/** Requests overtake messages that wait to be sent; the second is sent when those have left. */
const FENCES = 2;

export class FeedSocket {
  readonly connection = signal<Connection>({ state: "connecting" });
  private readonly channels = new Map<string, Channel>();
  private socket: WebSocket | null = null;
  private open = false;
  private heard = performance.now();
  private everOpen = false;
  private retry = FIRST_RETRY;
  private requests = 0;
  /** The ping behind the last subscriptions: what was missed on those that went on comes before the reply to the second. */
  private fence = { id: 0, rounds: 0 };

  constructor() {
    this.connect();
    setInterval(() => this.tick(), PING);
  }

  /** Follows a channel from a snapshot on; the answer ends it. */
  follow(name: string, handler: Handler): () => void {
    this.channels.set(name, { handler, cursor: null, synced: false });
    this.subscribe([name]);
    this.judgeState();
    return () => {
      if (this.channels.get(name)?.handler === handler) {
        this.channels.delete(name);
        this.send({ op: "unsubscribe", channels: [name] });
        this.judgeState();
      }
    };
  }

  /** Opens another one and begins anew: the service judges a socket by who opened it. */
  reopen() {
    for (const channel of this.channels.values()) {
      channel.cursor = null;
    }
    this.giveUp();
  }

  private giveUp() {
    const socket = this.socket;
    if (socket) {
      socket.close();
      this.lost(socket);
    }
  }

  private connect() {
    const url = apiUrl("ws/");
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onopen = () => {
      this.open = true;
      this.everOpen = true;
      this.retry = FIRST_RETRY;
      this.hear();
      this.subscribe([...this.channels.keys()]);
      this.judgeState();
    };
    socket.onmessage = (event: MessageEvent<string>) => this.message(JSON.parse(event.data) as ServerMessage);
    socket.onclose = () => this.lost(socket);
  }

  private lost(socket: WebSocket) {
    if (this.socket !== socket) {
      return;
    }
    this.socket = null;
    this.open = false;
    for (const channel of this.channels.values()) {
      channel.synced = false;
    }
    this.judgeState();
    setTimeout(() => this.connect(), this.retry);
    this.retry = Math.min(this.retry * 2, LAST_RETRY);
  }

  private subscribe(names: string[]) {
    if (!this.open || names.length === 0) {
      return;
    }
    const channels = names.map((channel) => {
      const after = this.channels.get(channel)?.cursor ?? null;
      return after === null ? channel : { channel, after };
    });
    this.send({ op: "subscribe", channels });
    this.fence = { id: this.send({ op: "ping" }), rounds: FENCES };
  }

  private fenced() {
    const rounds = this.fence.rounds - 1;
    if (rounds > 0) {
      this.fence = { id: this.send({ op: "ping" }), rounds };
      return;
    }
    for (const channel of this.channels.values()) {
      channel.synced ||= channel.cursor !== null;
    }
  }

  /** To a socket that is closing nothing is sent: the next one subscribes anew. */
  private send(request: Record<string, unknown>): number {
    this.requests += 1;
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ ...request, id: this.requests }));
    }
    return this.requests;
  }

  private message(message: ServerMessage) {
    this.hear();
    if (message.type === "reply" && message.id === this.fence.id) {
      this.fenced();
    } else if (message.type === "snapshot" || message.type === "update") {
      this.deliver(message);
    }
    this.judgeState();
  }

  private deliver(message: FeedMessage) {
    const channel = this.channels.get(message.channel);
    if (!channel) {
      return;
    }
    const verdict = judge(channel.cursor, message);
    if (verdict === "gap") {
      // Until the service closes it, further messages say the same.
      if (channel.synced) {
        channel.synced = false;
        this.subscribe([message.channel]);
      }
      return;
    }
    if (verdict === "drop") {
      return;
    }
    channel.cursor = message.seq;
    channel.synced = true;
    if (verdict === "reset") {
      channel.handler.snapshot(message.data as never, message);
    } else {
      channel.handler.update(message.data as never, message);
    }
  }

  private hear() {
    this.heard = performance.now();
  }

  private tick() {
    const silent = performance.now() - this.heard;
    if (this.open && silent > DEAD) {
      this.giveUp();
    } else if (silent > PING / 2) {
      this.send({ op: "ping" });
    }
    this.judgeState();
  }

  /** Says what is true now, and only when it is something else than before. */
  private judgeState() {
    const next = this.judged();
    const now = this.connection.peek();
    const same =
      next.state === now.state && (next.state !== "stale" || now.state !== "stale" || next.seconds === now.seconds);
    if (!same) {
      this.connection.value = next;
    }
  }

  private judged(): Connection {
    const silent = performance.now() - this.heard;
    if (!this.everOpen) {
      return { state: "connecting" };
    }
    if (!this.open || silent > STALE) {
      return { state: "stale", seconds: Math.floor(silent / 1000) };
    }
    const synced = [...this.channels.values()].every((channel) => channel.synced);
    return { state: synced ? "live" : "resyncing" };
  }
}
