package plugins

import (
	"context"
	"encoding/json"
	"time"

	"edge/abi"
)

// wsURLStart: (req, url, url_len, options, options_len). The call's result is a handle as
// of ws_open_start. See SPEC.md, section 6.
func wsURLStart(in *instance, a []uint64) uint64 {
	address, options := in.text(a[1], a[2]), in.bytes(a[3], a[4])
	x := in.caller(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	r := SocketRequest{Plugin: in.gen.spec.Name, Allow: in.gen.spec.Grants.FetchHost, AllowAddr: in.gen.spec.Grants.FetchAddr}
	if e := x.roomForSocket(); e != nil {
		return x.fail(e)
	}
	if err := strictOptions(options, &r.Options); err != nil {
		return x.fail(abi.Errorf(abi.CodeInvalidRequest, "ws_url: %s", abi.JSONReason(err)))
	}
	var err error
	if r.URL, err = abi.CheckWebSocketURL(address, &r.Options); err != nil {
		return x.fail(abi.AsError(err))
	}
	c := &call{x: x, agent: in.agent(x), opens: true}
	if c.agent.services.URLs == nil {
		return x.fail(abi.Errorf(abi.CodeUnsupported, "this edge opens no WebSockets to elsewhere"))
	}
	return in.launch(c, nil, func(ctx context.Context) (_ []byte, err error) {
		begun := time.Now()
		c.opened, err = c.agent.services.URLs.OpenURL(ctx, r)
		c.agent.called("wsURL", err, time.Since(begun))
		return nil, err
	})
}

// wsHead: (req, ws, ptr, cap).
func wsHead(in *instance, a []uint64) uint64 {
	out := in.bytes(a[2], a[3])
	x, s := in.findSocket(a[0], a[1])
	if x == nil {
		return answer(abi.Closed)
	}
	shaken, ok := s.conn.(interface{ Handshake() abi.WebSocketHead })
	if !ok {
		return x.refuse(abi.CodeInvalidRequest, "ws_head: it is a stream, which begins with no handshake")
	}
	head, err := json.Marshal(shaken.Handshake())
	if err != nil {
		return x.fail(abi.AsError(err))
	}
	return x.reply(out, head)
}
