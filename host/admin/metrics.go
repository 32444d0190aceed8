package admin

import (
	"net/http"
	"strconv"

	"edge/abi"
)

// Metrics are what the edge counts; *metrics.Metrics does.
type Metrics interface {
	// Exposition returns them as text that Prometheus reads.
	Exposition() (contentType string, body []byte, err error)
}

// metricsPath is where Prometheus looks unless it is told otherwise.
const metricsPath = "/metrics"

// metrics answers with what is counted.
func (x *exchange) metrics() error {
	if x.s.Metrics == nil {
		return abi.Errorf(abi.CodeUnsupported, "this edge does not count")
	}
	if err := x.onlyPretty(); err != nil {
		return err
	}
	contentType, body, err := x.s.Metrics.Exposition()
	if err != nil {
		return err
	}
	x.leaveBody()
	h := x.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.writeHeader(http.StatusOK)
	if x.r.Method == http.MethodHead {
		return nil
	}
	return x.writeAll(body)
}
