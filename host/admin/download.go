package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
	"unicode/utf16"

	"edge/abi"
)

// fileInfoHeader says of a download what it is: the stream's object, as ASCII.
const fileInfoHeader = "Edge-File-Info"

// download carries a stream of bytes as the body of the answer. One that fails
// midway is broken off, so that a part never looks like the whole.
func (x *exchange) download() error {
	release, err := x.takeStream()
	if err != nil {
		return err
	}
	defer release()
	body, err := x.request()
	if err != nil {
		return err
	}
	sock, err := x.s.Operations.Open(x.ctx, x.address.row.Name(), body)
	x.shrink()
	if err != nil {
		return err
	}
	defer sock.Close(closeGoingAway, "")
	if err := x.announce(sock); err != nil {
		return err
	}
	join := x.cutWrites(x.ctx)
	defer join()
	for {
		opcode, piece, err := sock.Receive(x.ctx)
		if err == nil && opcode != abi.OpcodeBinary {
			err = errUnexpected
		}
		if err != nil {
			return x.endDownload(err)
		}
		if x.status == 0 {
			x.writeHeader(http.StatusOK)
		}
		n, err := x.w.Write(piece)
		x.out.Add(int64(n))
		if err != nil {
			return errClientGone
		}
	}
}

// announce puts what comes into the headers. They are sent with the first bytes:
// until then a failure is an ordinary answer.
func (x *exchange) announce(sock abi.Socket) error {
	opcode, msg, err := sock.Receive(x.ctx)
	if err != nil {
		if e := x.streamError(x.ctx, err); e != nil {
			return e
		}
		return errUnexpected
	}
	info, err := asciiJSON(msg)
	if opcode != abi.OpcodeText || err != nil {
		return errUnexpected
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment") // never a page of ours
	h.Set(fileInfoHeader, info)
	return nil
}

// endDownload ends the answer well, or breaks it off.
func (x *exchange) endDownload(err error) error {
	if e := x.streamError(x.ctx, err); e != nil {
		if x.status == 0 {
			for _, name := range []string{"Content-Disposition", fileInfoHeader} {
				x.w.Header().Del(name)
			}
			return e
		}
		// What was written goes out before the connection is cut.
		_ = x.control.SetWriteDeadline(time.Now().Add(x.s.pace.close))
		_ = x.control.Flush()
		return e
	}
	if x.status == 0 {
		x.writeHeader(http.StatusOK)
	}
	return nil
}

// maxInfoBytes bounds the header: what a path of 4,096 bytes and its link's can
// become, and clients still take.
const maxInfoBytes = 56 << 10

// asciiJSON is a JSON object on one line of ASCII, as a header's value must be.
func asciiJSON(b []byte) (string, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, b); err != nil {
		return "", err
	}
	var out bytes.Buffer
	for _, r := range compact.String() {
		switch {
		case r < 0x7f:
			out.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		}
	}
	if out.Len() > maxInfoBytes || !bytes.HasPrefix(out.Bytes(), []byte("{")) {
		return "", errUnexpected
	}
	return out.String(), nil
}
