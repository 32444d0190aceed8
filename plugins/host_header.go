package plugins

import (
	"strings"

	"edge/abi"
)

// reqHeader: (req, name, name_len, ptr, cap). See SPEC.md, section 4.
func reqHeader(in *instance, a []uint64) uint64 {
	name, out := in.bytes(a[1], a[2]), in.bytes(a[3], a[4])
	x := in.find(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	list, found := in.scratch[:0], false
	if !x.request(func(r *abi.Request) {
		for i := range r.Headers {
			if strings.EqualFold(r.Headers[i].Name, string(name)) {
				list, found = abi.AppendValues(list, []string{r.Headers[i].Value}), true
			}
		}
	}) {
		return answer(abi.Closed)
	}
	in.scratch = list
	if !found {
		return answer(abi.NotFound)
	}
	return x.reply(out, list)
}

// reqHeaders: (req, ptr, cap).
func reqHeaders(in *instance, a []uint64) uint64 {
	out := in.bytes(a[1], a[2])
	x := in.find(a[0])
	if x == nil || !x.request(func(r *abi.Request) { in.scratch = abi.AppendHeaders(in.scratch[:0], r.Headers) }) {
		return answer(abi.Closed)
	}
	return x.reply(out, in.scratch)
}

// reqHeaderSet: (req, name, name_len, value, value_len).
func reqHeaderSet(in *instance, a []uint64) uint64 {
	return in.editHeader(a[0], in.text(a[1], a[2]), in.text(a[3], a[4]), func(r *abi.Request, name, value string) bool {
		fits := headersFit(r.Headers, len(name)+len(value))
		if fits {
			r.SetHeader(name, value)
		}
		return fits
	})
}

// reqHeaderAdd: as reqHeaderSet.
func reqHeaderAdd(in *instance, a []uint64) uint64 {
	return in.editHeader(a[0], in.text(a[1], a[2]), in.text(a[3], a[4]), func(r *abi.Request, name, value string) bool {
		fits := headersFit(r.Headers, len(name)+len(value))
		if fits {
			r.Headers = append(r.Headers, abi.Header{Name: name, Value: value})
		}
		return fits
	})
}

// reqHeaderDel: (req, name, name_len).
func reqHeaderDel(in *instance, a []uint64) uint64 {
	return in.editHeader(a[0], in.text(a[1], a[2]), "", func(r *abi.Request, name, _ string) bool {
		r.DelHeader(name)
		return true
	})
}

// editHeader checks name and value and changes the request by edit, which is
// false, having done nothing, if the request has no room for the header.
func (in *instance) editHeader(handle uint64, name, value string, edit func(r *abi.Request, name, value string) bool) uint64 {
	x := in.find(handle)
	switch {
	case x == nil:
		return answer(abi.Closed)
	case !abi.ValidToken(name):
		return x.refuse(abi.CodeInvalidRequest, "header name %.100q is no token", name)
	case !abi.ValidValue(value):
		return x.refuse(abi.CodeInvalidRequest, "header %s: the value holds a control character", name)
	case isHostsHeader(name):
		return x.refuse(abi.CodeDenied, "header %s is the host's", name)
	}
	fits := true
	if !x.request(func(r *abi.Request) { fits = edit(r, name, value) }) {
		return answer(abi.Closed)
	}
	if !fits {
		return x.refuse(abi.CodeBodyTooLarge, "the request would have more than %d headers or %d bytes of them",
			abi.MaxHeaders, abi.MaxHeaderBytes)
	}
	return answer(abi.OK)
}

// headersFit tells whether a header block of hs has room for one more.
func headersFit(hs []abi.Header, more int) bool {
	if len(hs) >= abi.MaxHeaders {
		return false
	}
	size := 8 + more
	for i := range hs {
		size += 8 + len(hs[i].Name) + len(hs[i].Value)
	}
	return size <= abi.MaxHeaderBytes
}

// isHostsHeader tells whether a header of a request is not the plugin's to
// change: the authority, framing, and what belongs to one hop (RFC 9110,
// sections 7.2 and 7.6.1).
func isHostsHeader(name string) bool {
	switch strings.ToLower(name) {
	case "host", "content-length", "transfer-encoding", "connection", "upgrade", "keep-alive",
		"te", "trailer", "proxy-connection", "proxy-authenticate", "proxy-authorization":
		return true
	}
	return false
}
