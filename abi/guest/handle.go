package guest

import (
	"encoding/json"
	"errors"
	"runtime/debug"
	"strings"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// Handler decides what becomes of one request. The package doc says how an
// error of it is answered.
type Handler = func(*Request) (Response, error)

// instance is what one module instance knows of itself. It needs no lock,
// because an instance does one thing at a time.
var instance struct {
	current  *Request // nil between two requests
	init     []func() error
	selfTest []func() error
	event    func(*Sandbox, SandboxEvent) error

	fields   fields
	requests cells[Request]
	answers  cells[answerCell]
	texts    texts
	// block is the header block of the last answer that had one header, this.
	header Header
	block  []byte
}

// Handle makes h the plugin's handler. Call it once, from an init function: the
// host runs those when it makes an instance, and never runs main. A second call
// replaces the first.
func Handle(h Handler) {
	edge1.SetEntry(edge1.Entry{
		Init:     func() int32 { return runHooks("init", instance.init) },
		Request:  func(id uint32) int32 { return serve(h, id) },
		SelfTest: func() int32 { return runHooks("self-test", instance.selfTest) },
		Event:    told,
	})
}

// Init adds f to what runs once per instance, before its first request, in the
// order added. There Config and Log work, and there is no request yet. An error
// discards the instance.
func Init(f func() error) { instance.init = append(instance.init, f) }

// SelfTest adds f to what runs once per loaded version, before it serves. An
// error refuses the version; the one before it goes on serving.
func SelfTest(f func() error) { instance.selfTest = append(instance.selfTest, f) }

// runHooks runs hooks in order until one fails, and returns its errno.
func runHooks(what string, hooks []func() error) (errno int32) {
	defer func() {
		if p := recover(); p != nil {
			logPanic(what, p)
			errno = int32(abi.Internal)
		}
	}()
	for _, f := range hooks {
		if err := f(); err != nil {
			Log(LevelError, what+" failed", "error", err)
			return int32(abi.AsError(err).Code.Errno())
		}
	}
	return int32(abi.OK)
}

// serve runs the handler for one request and makes the decision it returned. It
// returns 0, or -errno: then the host answers PLUGIN_FAILED and discards the
// instance.
func serve(h Handler, id uint32) (code int32) {
	req := instance.requests.next()
	req.handle = id
	instance.current = req
	instance.fields.of, instance.fields.known = req, 0
	returned := false
	defer func() {
		if !returned { // to recover costs a module much
			if p := recover(); p != nil {
				logPanic("handler", p)
				code = -int32(abi.Internal)
			}
		}
		req.over = true
		instance.current = nil
	}()
	code = answered(h, req)
	returned = true
	return code
}

// answered runs the handler and makes its decision.
func answered(h Handler, req *Request) int32 {
	resp, err := h(req)
	switch {
	case err != nil:
	case resp == nil:
		err = errNoDecision
	default:
		err = resp.send(req)
	}
	if err != nil {
		return req.fail(err)
	}
	return 0
}

var errNoDecision = errors.New("the handler returned neither a Response nor an error")

func logPanic(what string, p any) {
	Log(LevelError, what+" panicked", "panic", p, "stack", belowPanic(string(debug.Stack())))
}

// belowPanic leaves out the frames above the call of panic, so that the stack
// begins where the mistake is.
func belowPanic(stack string) string {
	_, below, found := strings.Cut(stack, "\npanic(")
	if lines := strings.SplitN(below, "\n", 3); found && len(lines) == 3 {
		return lines[2]
	}
	return stack
}

// fail has the host answer the client with err.
func (r *Request) fail(err error) int32 {
	var e *Error
	if !errors.As(err, &e) {
		Log(LevelError, "handler failed", "error", err)
		e = errPluginFailed()
	} else if e.Code.Status() >= 500 {
		Log(LevelWarn, "request failed", "error", err, "operation", e.Operation)
	}
	if r.decided {
		// The decision stands and cannot become an answer any more.
		Log(LevelError, "handler failed after its decision was made", "error", err)
		return -int32(abi.Already)
	}
	no := r.failWith(e)
	if n := errnoOf(no); n == abi.Invalid || n == abi.TooLarge {
		// The plugin made an error that there is not, such as one of its own code.
		Log(LevelError, "the error could not be answered", "error", err, "reason", no)
		no = r.failWith(errPluginFailed())
	}
	if errnoOf(no) == abi.Closed {
		return 0 // the client has left, which is no failure of the plugin's
	}
	if no != nil {
		Log(LevelError, "the error could not be answered", "error", err, "reason", no)
		return -int32(errnoOf(no))
	}
	return 0
}

func errnoOf(e *Error) abi.Errno {
	if e == nil {
		return abi.OK
	}
	return e.Code.Errno()
}

func errPluginFailed() *Error {
	return abi.Errorf(abi.CodePluginFailed, "the plugin failed; the edge's log has the details")
}

// failWith makes e the decision.
func (r *Request) failWith(e *Error) *Error {
	text, err := errorJSON(e)
	if err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "error: %v", err)
	}
	if errno, _ := abi.SplitResult(edge1.Fail(r.handle, text)); errno != abi.OK {
		return failure(r.handle, "fail", errno)
	}
	r.decided = true
	return nil
}

// maxCutText is what is left of a text in an error that is too large, in bytes:
// JSON makes at most six of one, and there are three texts.
const maxCutText = 3 << 10

// errorJSON is e as the host takes it: targets of errors.Is, which have no text,
// get their code's, and what is too large loses its details and is cut.
func errorJSON(e *Error) ([]byte, error) {
	whole := *e
	if whole.Message == "" {
		whole.Message = fallback[whole.Code.Errno()].text
	}
	if whole.Started == "" {
		whole.Started = abi.StartedNo
	}
	text, err := json.Marshal(&whole)
	if err != nil || len(text) <= abi.MaxErrorBytes {
		return text, err
	}
	whole.Details = nil
	for _, field := range []*string{&whole.Message, &whole.Suggestion, &whole.Operation} {
		*field = strings.ToValidUTF8((*field)[:min(len(*field), maxCutText)], "")
	}
	return json.Marshal(&whole)
}
