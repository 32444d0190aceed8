// Media types by a file's ending, for what the vendor's answers call mimeType.
const types = {
  txt: "text/plain", md: "text/markdown", html: "text/html", htm: "text/html", css: "text/css", csv: "text/csv", xml: "application/xml", svg: "image/svg+xml",
  js: "text/javascript", mjs: "text/javascript", cjs: "text/javascript", ts: "text/typescript", tsx: "text/typescript", jsx: "text/javascript", json: "application/json",
  py: "text/x-python", sh: "application/x-sh", yaml: "application/yaml", yml: "application/yaml", toml: "application/toml", wasm: "application/wasm",
  png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp", ico: "image/x-icon",
  pdf: "application/pdf", zip: "application/zip", gz: "application/gzip", tar: "application/x-tar", mp3: "audio/mpeg", mp4: "video/mp4", woff2: "font/woff2",
};

// mediaType is what a file probably is.
export const mediaType = (path, binary) => types[path.slice(path.lastIndexOf(".") + 1).toLowerCase()] ?? (binary ? "application/octet-stream" : "text/plain");

// isBinary judges a file by its first bytes: a NUL, or what is not UTF-8. A character
// may be cut at the end.
export const isBinary = (bytes, whole) => {
  if (bytes.indexOf(0) >= 0) return true;
  return bytes.length - whole > 3;
};
