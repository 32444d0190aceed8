package plugins

import (
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"

	"edge/abi"
)

// maxLogLine bounds one line of a guest in the edge's log, in bytes.
const maxLogLine = 8 << 10

// feature: (name, len). See SPEC.md, section 3.
func feature(in *instance, a []uint64) uint64 {
	name := in.text(a[0], a[1])
	if _, ok := in.gen.reg.functions[hostModule+"."+name]; !ok {
		return answer(abi.Unsupported)
	}
	return abi.Result(abi.OK, 1)
}

// logLine: (req, level, msg, msg_len, fields, fields_len).
func logLine(in *instance, a []uint64) uint64 {
	msg, block := in.bytes(a[2], a[3]), in.bytes(a[4], a[5])
	level := min(max(int32(uint32(a[1])), int32(slog.LevelDebug)), int32(slog.LevelError))
	log := in.gen.guestLog
	if !log.Enabled(in.life, slog.Level(level)) || !in.gen.maySay() {
		return answer(abi.OK)
	}
	line := in.gen.redact.line(msg)
	attrs, ok := logFields(block, maxLogLine-len(line), in.gen.redact)
	if !ok {
		return answer(abi.Invalid)
	}
	if x := in.find(a[0]); x != nil && x.event == nil {
		attrs = append(attrs, slog.String("request", x.id))
	}
	log.LogAttrs(in.life, slog.Level(level), line, attrs...)
	return answer(abi.OK)
}

// logFields reads a value list of keys and values, as many as have room bytes;
// it is false if the list is malformed up to there.
func logFields(block []byte, room int, redact *redactor) (attrs []slog.Attr, ok bool) {
	var pair [2]string
	for i := 0; len(block) > 0 && i < abi.MaxHeaders; i++ {
		if len(block) < 4 {
			return nil, false
		}
		n := binary.LittleEndian.Uint32(block)
		block = block[4:]
		if uint64(n) > uint64(len(block)) {
			return nil, false
		}
		if room -= int(n); room < 0 {
			return attrs, true
		}
		pair[i%2], block = string(block[:n]), block[n:]
		if i%2 == 1 {
			attrs = append(attrs, slog.String(guestKey(redact.text(pair[0])), redact.text(pair[1])))
		} else if len(block) == 0 {
			return nil, false
		}
	}
	return attrs, true
}

// edgesKeys are the fields of a line that say whose it is. A guest's own of that
// name would stand beside them, and readers of JSON take the last one.
var edgesKeys = []string{"time", "level", "msg", "source", "plugin", "generation", "digest", "request", "stream"}

// guestKey is the name under which a guest's field is logged.
func guestKey(key string) string {
	if slices.ContainsFunc(edgesKeys, func(k string) bool { return strings.EqualFold(k, key) }) {
		return "fields." + key
	}
	return key
}

// configGet: (key, len, ptr, cap). It belongs to no request: what does not fit
// is read with result_read and req 0.
func configGet(in *instance, a []uint64) uint64 {
	out := in.bytes(a[2], a[3])
	value, ok := in.gen.spec.Config[in.text(a[0], a[1])]
	if !ok {
		return answer(abi.NotFound)
	}
	return reply(&in.kept, out, value)
}

// lastError: (req, ptr, cap).
func lastError(in *instance, a []uint64) uint64 {
	out := in.bytes(a[1], a[2])
	x := in.caller(a[0])
	switch {
	case x == nil:
		return answer(abi.Closed)
	case x.lastErr == nil:
		return answer(abi.NotFound)
	}
	data, err := json.Marshal(x.lastErr)
	if err != nil { // details that are no JSON: the host's defect
		return answer(abi.Internal)
	}
	return reply(&x.kept, out, data)
}

// resultRead: (req, call, offset, ptr, cap).
func resultRead(in *instance, a []uint64) uint64 {
	out := in.bytes(a[3], a[4])
	kept := in.kept
	switch x, c := in.find(a[0]), in.completing; {
	case uint32(a[1]) != 0:
		if c == nil || c.x.handle != uint32(a[0]) || c.x.over || c.handle != uint32(a[1]) {
			return answer(abi.Closed)
		}
		kept = c.result
	case x != nil:
		kept = x.kept
	case uint32(a[0]) != 0:
		return answer(abi.Closed)
	}
	offset := min(uint64(uint32(a[2])), uint64(len(kept)))
	return abi.Result(abi.OK, uint32(copy(out, kept[offset:])))
}
