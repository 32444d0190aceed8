// What operations answer; abi/REFERENCE.md says what each field means. Times are
// RFC 3339, durations milliseconds. raw holds what has no field here.

import { Json } from "./json";

export class SandboxState {
  constructor(readonly raw: Json) {}
  /** state is "absent", "starting", "running", "stopping", "stopped" or "lost". */
  get state(): string { return this.raw.string("state"); }
  get generation(): i64 { return this.raw.integer("generation"); }
  get startedAt(): string { return this.raw.string("startedAt"); }
  get connections(): i32 { return i32(this.raw.integer("connections")); }
  get processes(): i32 { return i32(this.raw.integer("processes")); }
  get paused(): bool { return this.raw.bool("paused"); }
}

export class ExecResult {
  constructor(readonly raw: Json) {}
  get success(): bool { return this.raw.bool("success"); }
  get exitCode(): i32 { return i32(this.raw.integer("exitCode")); }
  /** signal is "SIGKILL" when one ended it, else "". */
  get signal(): string { return this.raw.string("signal"); }
  get stdout(): string { return this.raw.string("stdout"); }
  get stderr(): string { return this.raw.string("stderr"); }
  get truncated(): bool { return this.raw.bool("truncated"); }
  get duration(): i64 { return this.raw.integer("duration"); }
}

export class Logs {
  constructor(readonly raw: Json) {}
  get stdout(): string { return this.raw.string("stdout"); }
  get stderr(): string { return this.raw.string("stderr"); }
  get cursor(): string { return this.raw.string("cursor"); }
  get dropped(): i64 { return this.raw.integer("dropped"); }
}

export class LogMatch {
  constructor(readonly raw: Json) {}
  get line(): string { return this.raw.string("line"); }
  get match(): string[] {
    const m = this.raw.get("match");
    return m === null ? [] : m.asStrings();
  }
  get elapsed(): i64 { return this.raw.integer("elapsed"); }
}

export class ExitStatus {
  constructor(readonly raw: Json) {}
  get exitCode(): i32 { return i32(this.raw.integer("exitCode")); }
  get signal(): string { return this.raw.string("signal"); }
}

export class ExposedPort {
  constructor(readonly raw: Json) {}
  get port(): i32 { return i32(this.raw.integer("port")); }
  get name(): string { return this.raw.string("name"); }
  get url(): string { return this.raw.string("url"); }
  get wsUrl(): string { return this.raw.string("wsUrl"); }
  get exposedAt(): string { return this.raw.string("exposedAt"); }
  /** token is what requests show, where it is not in the URL. */
  get token(): string { return this.raw.string("token"); }
  get createdAt(): string { return this.raw.string("createdAt"); }
  get expiresAt(): string { return this.raw.string("expiresAt"); }
  get connections(): i32 { return i32(this.raw.integer("connections")); }
  /** status is "active", or "inactive" where nothing listens on the port. */
  get status(): string { return this.raw.string("status"); }
  get access(): string { return this.raw.string("access"); }
  /** ended tells how the server ended that listened last, if that is known; null otherwise. */
  get ended(): ServerEnd | null {
    const end = this.raw.get("ended");
    return end === null ? null : new ServerEnd(end);
  }
}

/** ServerEnd is how a process ended that listened on a port. */
export class ServerEnd {
  constructor(readonly raw: Json) {}
  get processId(): string { return this.raw.string("processId"); }
  get exitCode(): i32 { return i32(this.raw.integer("exitCode")); }
  get signal(): string { return this.raw.string("signal"); }
  get oomKilled(): bool { return this.raw.bool("oomKilled"); }
  get endedAt(): string { return this.raw.string("endedAt"); }
  get stderrTail(): string { return this.raw.string("stderrTail"); }
}

export class ListeningPort {
  constructor(readonly raw: Json) {}
  get port(): i32 { return i32(this.raw.integer("port")); }
  /** address is "127.0.0.1", "0.0.0.0", "::" or another of the sandbox. */
  get address(): string { return this.raw.string("address"); }
  get processId(): string { return this.raw.string("processId"); }
  get pid(): i32 { return i32(this.raw.integer("pid")); }
  /** url is the preview's, if the port is exposed. */
  get url(): string { return this.raw.string("url"); }
}

export class PreviewLink {
  constructor(readonly raw: Json) {}
  get url(): string { return this.raw.string("url"); }
  get expiresAt(): string { return this.raw.string("expiresAt"); }
}

export class FileInfo {
  constructor(readonly raw: Json) {}
  get name(): string { return this.raw.string("name"); }
  get path(): string { return this.raw.string("path"); }
  /** type is "file", "directory", "symlink" or "other". */
  get type(): string { return this.raw.string("type"); }
  get size(): i64 { return this.raw.integer("size"); }
  get mode(): string { return this.raw.string("mode"); }
  get modifiedAt(): string { return this.raw.string("modifiedAt"); }
}

export class FileList {
  constructor(readonly raw: Json) {}
  get files(): FileInfo[] {
    const list = this.raw.array("files");
    const files: FileInfo[] = [];
    for (let i = 0; i < list.length; i++) files.push(new FileInfo(list[i]));
    return files;
  }
  get truncated(): bool { return this.raw.bool("truncated"); }
}
