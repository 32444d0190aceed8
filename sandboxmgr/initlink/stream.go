package initlink

import (
	"context"
	"fmt"

	"edge/abi"
)

// Open has the init begin a stream: req crosses as JSON, and what goes on is the
// Socket, which the caller closes. ctx bounds the opening alone. Errors are as
// those of Call.
func (l *Link) Open(_ context.Context, op string, _ any) (abi.Socket, error) {
	return nil, fmt.Errorf("%s: %w", op, abi.Errorf(abi.CodeUnsupported, "the sandbox's init has no streams"))
}
