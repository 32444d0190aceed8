import { JsonWriter } from "./json";
import { Policy, writeHeaders } from "./options";
import { Response } from "./response";
import { Sandbox } from "./sandbox";
import { Header } from "./wire";

/** PlanFile is written before the process is started, and only then. */
export class PlanFile {
  path: string = "";
  content: string = "";
  mode: string = "";
}

/** PlanProcess is started unless a process of its id runs. */
export class PlanProcess {
  processId: string = "";
  command: string = "";
  argv: string[] | null = null;
  cwd: string = "";
  env: Map<string, string> | null = null;
}

/** PlanReady is what is waited for on the plan's port. */
export class PlanReady {
  mode: string = "";
  path: string = "";
  status: i32 = 0;
  interval: i64 = 0;
}

/** PlanAnswer is the answer if a step fails or the time runs out. */
export class PlanAnswer {
  status: i32 = 503;
  headers: Header[] = [];
  body: string = "";
}

/**
 * Plan is a decision that the host carries out step by step with no instance held:
 * the sandbox, then the process, then the port, then the request.
 */
export class Plan {
  files: PlanFile[] = [];
  process: PlanProcess | null = null;
  ready: PlanReady | null = null;
  policy: Policy | null = null;
  /** timeout bounds all steps before the dial, in milliseconds; default 30 s. */
  timeout: i64 = 0;
  fallback: PlanAnswer | null = null;

  constructor(
    public sandbox: Sandbox,
    /** then is "connect" (a WebSocket) or "proxy" (any request). */
    public then: string,
    public port: i32,
  ) {}

  /** json is the plan as the host takes it. */
  json(): ArrayBuffer {
    const w = new JsonWriter().object().object("sandbox");
    this.sandbox.writeRef(w);
    w.end();
    if (this.files.length > 0) {
      w.array("files");
      for (let i = 0; i < this.files.length; i++) {
        const f = this.files[i];
        w.object().text("path", f.path).text("content", f.content).textIf("mode", f.mode).end();
      }
      w.end();
    }
    const process = this.process;
    if (process !== null) {
      w.object("process").text("processId", process.processId).textIf("command", process.command);
      w.textsIf("argv", process.argv).textIf("cwd", process.cwd).mapIf("env", process.env).end();
    }
    const ready = this.ready;
    if (ready !== null) {
      w.object("ready").textIf("mode", ready.mode).textIf("path", ready.path).integerIf("status", ready.status);
      w.integerIf("interval", ready.interval).end();
    }
    w.text("then", this.then).integer("port", this.port);
    const policy = this.policy;
    if (policy !== null) {
      w.object("policy");
      policy.write(w);
      w.end();
    }
    w.integerIf("timeout", this.timeout);
    const fallback = this.fallback;
    if (fallback !== null) {
      w.object("fallback").integer("status", fallback.status);
      writeHeaders(w, fallback.headers);
      w.textIf("body", fallback.body).end();
    }
    return w.end().bytes();
  }
}

/** plan decides to have the host carry out a Plan. */
export function plan(p: Plan): Response { return Response.plan(p.json()); }
