import { waitUntil } from "./core/later.js";

// environment is the env of fetch(), the same object for all requests of an instance.
export const environment = () => ({ Sandbox: { __binding: "Sandbox" } });

// context is the ctx of fetch() for a request.
export const context = (req) => ({ waitUntil(promise) { waitUntil(req, promise); }, passThroughOnException() {} });
