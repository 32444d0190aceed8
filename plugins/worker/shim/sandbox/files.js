// Files of a sandbox, and Git.
import { edge } from "../core/index.js";
import { bytesOf } from "../web/bytes.js";
import { call, flow } from "./handle.js";
import { Commands, answered } from "./commands.js";
import { fill, stamped } from "./options.js";
import { events } from "./sse.js";
import { fileEvents, rawFile } from "./filestream.js";
import { mediaType } from "./media.js";

// Longest content that goes over as JSON, in characters; a call has at most 1 MiB.
const MAX_TEXT = 128 << 10;

let watches = 0; // names the vendor's streams of changes

// changes are the vendor's words for what happens in a folder.
const changes = (folder) => {
  const watchId = "watch-" + ++watches;
  const event = (eventType, path, e) => ({ type: "event", eventType, path: join(folder, path), isDirectory: e.isDir ?? false });
  return (e) => {
    switch (e.type) {
      case "ready": return [{ type: "watching", path: folder, watchId }];
      case "move": return [event("move_from", e.oldPath, e), event("move_to", e.path, e)];
      case "overflow": return [{ type: "error", error: "more changed than could be told: list the folder again", code: "OVERFLOW" }];
      default: return [event(e.type, e.path, e)];
    }
  };
};

const join = (folder, path) => path === "." || path === undefined ? folder : folder.endsWith("/") ? folder + path : folder + "/" + path;

// Who runs in a sandbox owns what it wrote: the owner's bits count.
const permissions = (mode) => {
  const owner = mode.charCodeAt(mode.length - 3) - 48;
  return { readable: (owner & 4) !== 0, writable: (owner & 2) !== 0, executable: (owner & 1) !== 0 };
};

// octal is a mode as the edge wants it: 0o755 and "755" are "0755".
const octal = (mode) => typeof mode === "number" ? "0" + mode.toString(8) : mode;

// pieceOf is bytes of what is written: a string's or its own.
const pieceOf = (content) => {
  const bytes = typeof content === "string" ? edge.utf8_encode(content) : bytesOf(content);
  if (bytes === undefined) throw new TypeError("writeFile: the content is no string, bytes, Blob or ReadableStream of such");
  return bytes;
};

// sendAll sends a ReadableStream's pieces; what is left is cancelled if that fails.
const sendAll = async (to, stream) => {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const bytes = pieceOf(value);
      if (bytes.length > 0) await to.send(bytes);
    }
  } catch (e) {
    reader.cancel(e).catch(() => {});
    throw e;
  }
};

export class Files extends Commands {
  // place is where a path leads; a session has a folder of its own.
  place(path) { return path; }

  writeFile(path, content, options) {
    if (typeof content !== "string" || content.length > MAX_TEXT && (options?.encoding ?? "utf8") !== "base64") return this.writeFileStream(path, content, options);
    const fields = fill({ path: this.place(path), content }, options);
    delete fields.session;
    if (fields.mode !== undefined) fields.mode = octal(fields.mode);
    return call(this, "writeFile", fields, (r) => stamped(r, { bytesWritten: r.size }));
  }

  // writeFileStream writes a string, bytes, a Blob or a ReadableStream of any size.
  async writeFileStream(path, content, options) {
    const fields = { path: this.place(path) };
    if (options?.mode !== undefined) fields.mode = octal(options.mode);
    const to = await flow(this, "writeFileStream", fields);
    try {
      if (typeof content?.stream === "function") content = content.stream();
      if (typeof content?.getReader === "function") await sendAll(to, content);
      else {
        const bytes = pieceOf(content);
        if (bytes.length > 0) await to.send(bytes);
      }
      await to.end();
      const r = await to.event();
      return stamped(r, { bytesWritten: r.size });
    } finally { to.close(); }
  }

  readFile(path, options) {
    const where = this.place(path);
    if (options?.encoding === "none") {
      return rawFile(this, { path: where }).then(({ info, stream }) => stamped({ path: info.path, content: stream, size: info.size, mimeType: mediaType(path, true) }));
    }
    const fields = fill({ path: where }, options);
    delete fields.session;
    return call(this, "readFile", fields, (r) => stamped(r, { path, mimeType: mediaType(path, r.isBinary) }));
  }

  // readFileStream is a file in the vendor's events; streamFile and collectFile read
  // its bytes as they are.
  readFileStream(path, options) { return fileEvents(this, { path: this.place(path), offset: options?.offset, length: options?.length }); }

  mkdir(path, options) {
    const { recursive = false, mode } = options ?? {};
    return answered(this, "mkdir", { path: this.place(path), recursive, mode: mode === undefined ? undefined : octal(mode) }, { path, recursive });
  }

  deleteFile(path, options) {
    return answered(this, "deleteFile", { path: this.place(path), recursive: typeof options === "object" ? options.recursive : undefined }, { path });
  }

  renameFile(oldPath, newPath) {
    return answered(this, "renameFile", { oldPath: this.place(oldPath), newPath: this.place(newPath) }, { path: oldPath, oldPath, newPath });
  }

  moveFile(sourcePath, destinationPath) {
    return answered(this, "moveFile", { sourcePath: this.place(sourcePath), destinationPath: this.place(destinationPath) }, { path: sourcePath, newPath: destinationPath, sourcePath, destinationPath });
  }

  exists(path) { return answered(this, "exists", { path: this.place(path) }, { path }); }

  setPermissions(path, mode, options) {
    return answered(this, "setPermissions", { path: this.place(path), mode: octal(mode), recursive: options?.recursive }, { path });
  }

  listFiles(path, options) {
    const folder = this.place(path);
    const fields = fill({ path: folder }, options);
    delete fields.session;
    return call(this, "listFiles", fields, (r) => {
      for (const f of r.files) Object.assign(f, { absolutePath: join(folder, f.path), relativePath: f.path, permissions: permissions(f.mode) });
      return stamped(r, { path, count: r.files.length });
    });
  }

  // searchFiles takes the folder and what to look for, or that alone.
  searchFiles(path, options) {
    const fields = typeof path === "object" ? fill({}, path) : fill({ path: this.place(path) }, options);
    if (fields.text instanceof RegExp) Object.assign(fields, { text: fields.text.source, regexp: true, ignoreCase: fields.text.ignoreCase || fields.ignoreCase });
    return call(this, "searchFiles", fields);
  }

  watch(path, options) {
    const folder = this.place(path), fields = fill({ path: folder }, options);
    delete fields.session;
    return events(flow(this, "watch", fields), changes(folder), options?.signal);
  }

  checkout(url, options) {
    const fields = fill({ url }, options);
    delete fields.session;
    if (fields.targetDir !== undefined) fields.targetDir = this.place(fields.targetDir);
    return call(this, "checkout", fields, (r) => stamped(r, { repoUrl: url }));
  }
  gitCheckout(url, options) { return this.checkout(url, options); }
}
