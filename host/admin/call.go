package admin

import (
	"bytes"
	"encoding/json"
	"net/http"

	"edge/abi"
)

// call carries out an operation that answers once. A client that goes away
// cancels it: the request's context ends.
func (x *exchange) call() error {
	body, err := x.request()
	if err != nil {
		return err
	}
	return x.operate(x.address.row, body)
}

// inspect and destroy are operations too, under names that HTTP has.
func (x *exchange) inspect() error { return x.short(abi.Inspect) }

func (x *exchange) destroy() error { return x.short(abi.Destroy) }

// short carries out an operation that takes nothing.
func (x *exchange) short(row abi.Row) error {
	x.address.row = row
	body, err := x.request()
	if err != nil {
		return err
	}
	return x.operate(row, body)
}

func (x *exchange) operate(row abi.Row, body json.RawMessage) error {
	answer, err := x.s.Operations.Operate(x.ctx, row.Name(), body)
	x.shrink()
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, answer)
}

// indented is JSON as people read it.
func indented(b []byte) []byte {
	var buf bytes.Buffer
	if err := json.Indent(&buf, bytes.TrimSpace(b), "", "  "); err != nil {
		return b
	}
	return buf.Bytes()
}
