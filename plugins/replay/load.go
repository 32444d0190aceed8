package replay

import (
	"encoding/json"

	"edge/abi"
	"edge/plugins"
)

// NewRequest returns the case's request, as often as it is asked for.
func (c *Case) NewRequest() *abi.Request { return c.Request.request() }

// Services returns services that answer the case's host calls for any number of
// requests at once, and keep nothing of them. What no entry of Calls answers is
// answered with the zero value of its answer.
func (c *Case) Services() plugins.Services {
	f := newFakes(c)
	f.script.forgets = true
	f.script.answer = func(call *Call) (json.RawMessage, error) {
		for i := range f.list {
			if f.fits(i, call) {
				return f.take(i)
			}
		}
		if row := abi.Lookup(call.Name); row != nil {
			return marshal(row.NewResponse())
		}
		return nil, nil
	}
	f.script.store = newStore(c.KV)
	return f.script.services()
}
