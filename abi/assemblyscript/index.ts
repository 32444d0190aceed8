// The AssemblyScript SDK for edge plugins: WebAssembly modules that decide, for each
// request, whether to answer it, to start something in a sandbox, or to send it to a
// port of one. README.md beside this file begins at the beginning.

export { handle, onInit, onSelfTest, onSandboxEvent, SandboxEvent } from "./plugin";
export { Request } from "./request";
export { Response, BodyWriter, stream, next, fail } from "./response";
export { Sandbox, getSandbox, connect, proxyToSandbox } from "./sandbox";
export { Server } from "./server";
export { Process, Session } from "./process";
export { EventStream, StreamItem } from "./stream";
export { WebSocket, Message } from "./websocket";
export { Plan, PlanFile, PlanProcess, PlanReady, PlanAnswer, plan } from "./plan";
export { fetch, FetchOptions, FetchResponse } from "./fetch";
export { kv, KVValue, KVEntry, KVList, SetOptions, KeyOptions, ListOptions } from "./kv";
export { config, secret, feature, now, monotonic, random, count, observe } from "./surroundings";
export { log } from "./log";
export { Json, JsonWriter, Kind } from "./json";
export { EdgeError, Result, Code, Errno } from "./errors";
export { Header } from "./wire";
export * from "./answers";
export * from "./options";
export { edgeAbort, edgeTrace, edgeSeed, edgeConsole, EdgeDate } from "./globals";
