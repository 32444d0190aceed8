package remote

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"edge/abi"
)

// policyFlags are the bounds of what goes through an exposure.
type policyFlags struct {
	IdleTimeout       Span     `placeholder:"SPAN" group:"policy" help:"End a connection on which nothing was sent for that long."`
	MaxDuration       Span     `placeholder:"SPAN" group:"policy" help:"End a connection after that long, however busy."`
	MaxBytes          Bytes    `placeholder:"SIZE" group:"policy" help:"End a connection after that much both ways, like 10MiB."`
	MaxMessageBytes   Bytes    `placeholder:"SIZE" group:"policy" help:"Largest WebSocket message."`
	MessagesPerSecond int      `placeholder:"N" group:"policy" help:"WebSocket messages a second that a client may send."`
	PingInterval      Span     `placeholder:"SPAN" group:"policy" help:"Ping a WebSocket's client after that long without a byte; one that stays silent is closed."`
	AllowOrigin       []string `placeholder:"ORIGIN" sep:"none" group:"policy" help:"Web site whose pages may connect, like https://app.example.com or *.example.com; may be repeated."`
	Protocol          []string `placeholder:"NAME" sep:"none" group:"policy" help:"WebSocket subprotocol that may be spoken; may be repeated."`
}

func (p *policyFlags) policy() abi.Policy {
	return abi.Policy{
		IdleTimeout: p.IdleTimeout.duration(), MaxDuration: p.MaxDuration.duration(),
		MaxBytes: int64(p.MaxBytes), MaxMessageBytes: int64(p.MaxMessageBytes),
		MessagesPerSecond: p.MessagesPerSecond, PingInterval: p.PingInterval.duration(),
		AllowOrigins: p.AllowOrigin, Protocols: p.Protocol,
	}
}

// Bytes is a size as people write it, "10MiB", or a number of bytes.
type Bytes int64

// UnmarshalText reads a size.
func (b *Bytes) UnmarshalText(text []byte) error {
	digits, unit := string(text), 1.0
	for i, name := range []string{"KiB", "MiB", "GiB"} {
		if rest, ok := strings.CutSuffix(digits, name); ok {
			digits, unit = rest, float64(int64(1)<<(10*(i+1)))
		}
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(n >= 0) || n*unit > math.MaxInt64/2 || n*unit != math.Trunc(n*unit) {
		return fmt.Errorf("%q is not a size; want a number of bytes, or one with KiB, MiB or GiB, like \"10MiB\"", text)
	}
	*b = Bytes(n * unit)
	return nil
}
