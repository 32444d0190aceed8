// The module cloudflare:workers.
export {};
