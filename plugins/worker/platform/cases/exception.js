// DOMException.

const names = ["IndexSizeError", "HierarchyRequestError", "WrongDocumentError", "InvalidCharacterError", "NoModificationAllowedError", "NotFoundError", "NotSupportedError", "InUseAttributeError", "InvalidStateError", "SyntaxError", "InvalidModificationError", "NamespaceError", "InvalidAccessError", "TypeMismatchError", "SecurityError", "NetworkError", "AbortError", "URLMismatchError", "QuotaExceededError", "TimeoutError", "InvalidNodeTypeError", "DataCloneError", "EncodingError", "NotReadableError", "UnknownError", "nope"];

export default {
  "codes": () => names.map((n) => new DOMException("m", n).code),
  "nothing": () => { const e = new DOMException(); return [e.name, e.message, e.code]; },
  "a message": () => { const e = new DOMException("m"); return [e.name, e.message, e.code]; },
  "as a string": () => String(new DOMException("m", "AbortError")),
  "is an error": () => [new DOMException() instanceof Error, Object.getPrototypeOf(DOMException.prototype) === Error.prototype],
  "has a stack": () => typeof new DOMException("m").stack,
  "constants": () => [DOMException.ABORT_ERR, DOMException.DATA_CLONE_ERR, DOMException.prototype.NOT_FOUND_ERR, new DOMException().SYNTAX_ERR],
  "a cause": () => new DOMException("m", { name: "AbortError", cause: 1 }).name,
  "the name": () => Object.prototype.toString.call(new DOMException()),
  "called without new": () => DOMException(),
  "own keys": () => Object.keys(new DOMException("m", "AbortError")),
  "name cannot be set": () => { const e = new DOMException("m", "AbortError"); e.name = "x"; },
  "undefined arguments": () => { const e = new DOMException(undefined, undefined); return [e.name, e.message]; },
  "null as a name": () => new DOMException("m", null).name,
};
