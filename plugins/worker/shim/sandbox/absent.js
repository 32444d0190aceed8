// What the vendor's package has and this edge has not: each method fails by name and
// says what to use.
import { unsupported } from "./errors.js";

const missing = (name, suggestion) => {
  const method = { [name]: () => Promise.reject(unsupported(name, suggestion)) }[name];
  return { value: method, writable: true, configurable: true };
};

const interpreter = "write the code to a file with writeFile and run it with exec; a program that keeps its state is started with startProcess";
const backup = "copy what is to be kept with exec(\"tar\") and readFile; persist: all in the configuration keeps a sandbox's files over its stops";
const bucket = "write files with writeFile, or have a program in the sandbox fetch them";

const names = {
  createCodeContext: interpreter, runCode: interpreter, runCodeStream: interpreter, listCodeContexts: interpreter, deleteCodeContext: interpreter,
  createBackup: backup, restoreBackup: backup, mountBucket: bucket, unmountBucket: bucket,
  checkChanges: "watch tells changes as they come",
};

// withoutInterpreter gives a prototype the methods that sandboxes and sessions lack.
export const withoutInterpreter = (prototype) => {
  for (const name of Object.keys(names)) Object.defineProperty(prototype, name, missing(name, names[name]));
};

// tunnels stands where the vendor's tunnels are.
const preview = "exposePort gives a preview URL";
export const tunnels = Object.defineProperties({}, {
  get: missing("tunnels.get", preview), list: missing("tunnels.list", preview), destroy: missing("tunnels.destroy", preview),
});

// The vendor's errors of what is not here: nothing throws them, but programs ask for them.
export class BackupNotFoundError extends Error {}
export class BackupExpiredError extends Error {}
export class InvalidBackupConfigError extends Error {}
export class BackupCreateError extends Error {}
export class BackupRestoreError extends Error {}
export class RPCTransportError extends Error {}
export class BucketMountError extends Error {}
export class S3FSMountError extends BucketMountError {}
export class BucketUnmountError extends BucketMountError {}
export class MissingCredentialsError extends BucketMountError {}
export class InvalidMountConfigError extends BucketMountError {}

// The vendor's classes behind a sandbox, which nobody need make.
const internal = (name) => ({ [name]: class { constructor() { throw unsupported(name, "getSandbox(env.Sandbox, id) gives a sandbox with every method"); } } })[name];
export const CodeInterpreter = internal("CodeInterpreter");
export const ContainerProxy = internal("ContainerProxy");
export const SandboxClient = internal("SandboxClient");
