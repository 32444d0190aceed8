// Does what a Worker must not do, by the name of it, beside requests that wait.
export { Sandbox } from "@cloudflare/sandbox";

let isolate: string | undefined;
let waiting = 0;
let released = false;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const forever = (): never => {
  for (;;);
};
const recurse = (): number => recurse() + 1;

const deeds: Record<string, (request: Request) => unknown> = {
  id: () => (isolate ??= crypto.randomUUID()),
  async wait(request) {
    waiting++;
    while (!released) await sleep(250); // rarely: what it computes adds up
    waiting--;
    return (isolate ??= crypto.randomUUID()) + " " + new URL(request.url).searchParams.get("n");
  },
  waiting: () => String(waiting),
  release() {
    released = true;
    return "released";
  },

  loop: forever,
  async "loop-later"() {
    await sleep(1);
    try {
      forever();
    } finally {
      forever(); // is not reached
    }
  },
  regexp: () => String(/^(a+)+$/.test("a".repeat(40) + "b")),
  async jobs() {
    for (;;) await null;
  },
  objects() {
    const all: object[] = [];
    for (;;) all.push({ all, some: new Array(100).fill(0) });
  },
  bytes() {
    const all: Uint8Array[] = [];
    for (;;) all.push(new Uint8Array(1 << 20));
  },
  async promises() {
    await sleep(1);
    const all: Promise<unknown>[] = [];
    for (;;) all.push(new Promise(() => {}));
  },
  recursion: () => String(recurse()),
  "recursion-caught"() {
    try {
      return String(recurse());
    } catch (error: any) {
      return "caught " + error.name;
    }
  },
  "memory-caught"() {
    try {
      deeds.bytes!(null!);
    } catch (error: any) {
      return "caught " + error.message;
    }
  },
  throws() {
    throw new TypeError("thrown on purpose");
  },
  never: () => new Promise(() => {}),
  nothing: () => undefined,
  rejection() {
    Promise.reject(new Error("nobody handles this"));
    return "answered";
  },
  async twice(request) {
    await request.text();
    return await request.text();
  },
};

export default {
  async fetch(request: Request): Promise<Response> {
    const deed = deeds[new URL(request.url).pathname.split("/").pop()!];
    if (!deed) return new Response("No such deed", { status: 404 });
    const text = await deed(request);
    return text === undefined ? (undefined as any) : new Response(text as string);
  },
};
