package guest

import (
	"encoding/json"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// OnSandboxEvent makes f what is told when a sandbox started, stopped or failed,
// by whatever caused it. Call it once, from an init function beside Handle; a
// second call replaces the first.
//
// f runs after the fact, once for each event and in order for one sandbox, in an
// instance of the plugin that handles no request meanwhile; it has the plugin's
// deadline. The Sandbox is the one it happened to, for operations; to use it
// starts it again. An error of f goes to the log. While the edge does not run,
// nothing is told.
func OnSandboxEvent(f func(*Sandbox, SandboxEvent) error) { instance.event = f }

// told tells the hook of one event. It returns an abi.Errno.
func told(handle uint32) (errno int32) {
	if instance.event == nil {
		return int32(abi.Unsupported)
	}
	req := &Request{handle: handle}
	instance.current = req
	defer func() {
		if p := recover(); p != nil {
			logPanic("sandbox event hook", p)
			errno = int32(abi.Internal)
		}
		req.over = true
		instance.current = nil
	}()
	buf := make([]byte, 1024)
	text, no := collect(handle, edge1.EventRead(handle, buf), buf)
	if no != abi.OK {
		return int32(no)
	}
	var ev SandboxEvent
	if err := json.Unmarshal(text, &ev); err != nil {
		Log(LevelError, "a sandbox's event cannot be read", "error", err)
		return int32(abi.Internal)
	}
	if err := instance.event(req.Sandbox(ev.Binding, ev.ID), ev); err != nil {
		Log(LevelError, "sandbox event hook failed", "error", err)
		return int32(abi.AsError(err).Code.Errno())
	}
	return int32(abi.OK)
}
