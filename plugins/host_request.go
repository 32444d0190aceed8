package plugins

import (
	"context"

	"edge/abi"
)

// maxStartedRead bounds the buffer that a started read of the body gets.
const maxStartedRead = 256 << 10

// reqGet: (req, field, ptr, cap). See SPEC.md, section 4.
func reqGet(in *instance, a []uint64) uint64 {
	out := in.bytes(a[2], a[3])
	x := in.find(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	var value string
	known := true
	if !x.request(func(r *abi.Request) { value, known = requestField(r, uint32(a[1])) }) {
		return answer(abi.Closed)
	}
	if !known {
		return x.refuse(abi.CodeInvalidRequest, "req_get: there is no field %d", uint32(a[1]))
	}
	if len(value) > len(out) {
		return x.reply(nil, []byte(value))
	}
	copy(out, value)
	return abi.Result(abi.OK, uint32(len(value)))
}

func requestField(r *abi.Request, field uint32) (value string, known bool) {
	switch field {
	case abi.FieldMethod:
		return r.Method, true
	case abi.FieldScheme:
		return r.Scheme, true
	case abi.FieldHost:
		return r.Host, true
	case abi.FieldPath:
		return r.Path, true
	case abi.FieldQuery:
		return r.Query, true
	case abi.FieldRemoteAddr:
		return r.RemoteAddr, true
	case abi.FieldID:
		return r.ID, true
	case abi.FieldURL:
		return r.URL(), true
	}
	return "", false
}

// reqSet: (req, field, ptr, len).
func reqSet(in *instance, a []uint64) uint64 {
	value := in.text(a[2], a[3])
	x := in.find(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	field, ok := uint32(a[1]), false
	if len(value) > abi.MaxHeaderBytes {
		return x.refuse(abi.CodeInvalidRequest, "req_set: field %d has %d bytes; %d are the most", field, len(value), abi.MaxHeaderBytes)
	}
	switch field {
	case abi.FieldMethod:
		ok = abi.ValidToken(value) && value != "CONNECT"
	case abi.FieldPath:
		ok = value != "" && value[0] == '/' && validTarget(value, "?#")
	case abi.FieldQuery:
		ok = validTarget(value, "#")
	}
	if !ok {
		return x.refuse(abi.CodeInvalidRequest, "req_set: field %d cannot be set to %.100q", field, value)
	}
	if !x.request(func(r *abi.Request) { setRequestField(r, field, value) }) {
		return answer(abi.Closed)
	}
	return answer(abi.OK)
}

func setRequestField(r *abi.Request, field uint32, value string) {
	switch field {
	case abi.FieldMethod:
		r.Method = value
	case abi.FieldPath:
		r.Path = value
	case abi.FieldQuery:
		r.Query, r.HasQuery = value, value != ""
	}
}

// validTarget tells whether s can stand in a request line: no control
// characters, no space, none of the bytes in not.
func validTarget(s, not string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
		for j := 0; j < len(not); j++ {
			if s[i] == not[j] {
				return false
			}
		}
	}
	return true
}

// reqBodyRead: (req, ptr, cap).
func reqBodyRead(in *instance, a []uint64) uint64 {
	out := in.bytes(a[1], a[2])
	x := in.find(a[0])
	switch {
	case x == nil:
		return answer(abi.Closed)
	case len(out) == 0:
		return x.refuse(abi.CodeInvalidRequest, "req_body_read: the buffer has no room")
	}
	var n int
	err := in.wait(x, &x.bodyLane, func(context.Context) (err error) {
		n, err = x.readBody(out)
		return err
	})
	if err != nil {
		return x.fail(in.gen.sayable(err))
	}
	return abi.Result(abi.OK, uint32(n))
}

// reqBodyReadStart: (req, cap).
func reqBodyReadStart(in *instance, a []uint64) uint64 {
	x := in.find(a[0])
	size := min(uint32(a[1]), maxStartedRead)
	switch {
	case x == nil:
		return answer(abi.Closed)
	case size == 0:
		return x.refuse(abi.CodeInvalidRequest, "req_body_read_start: the buffer has no room")
	}
	return in.launch(&call{x: x, agent: in.agent(x)}, &x.bodyLane, func(context.Context) ([]byte, error) {
		p := make([]byte, size)
		n, err := x.readBody(p)
		return p[:n], err
	})
}
