package platform

import (
	"encoding/json"
	"os"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// rounds is how many rounds one request runs.
const rounds = 500

// BenchmarkHot measures what Workers do for nearly each request, in the engine. A round
// has about half a microsecond that is the loop's.
func BenchmarkHot(b *testing.B) {
	source, err := os.ReadFile("bench/hot.js")
	if err != nil {
		b.Fatal(err)
	}
	p := serve(b, []string{"bench/hot.js"})
	for _, m := range regexp.MustCompile(`(?m)^  "([^"]+)": `).FindAllSubmatch(source, -1) {
		b.Run(string(m[1]), func(b *testing.B) {
			begun := cpu(b)
			for left := b.N; left > 0; left -= rounds {
				var none json.RawMessage
				if err := ask(b, p, map[string]any{"file": "hot", "name": string(m[1]), "times": min(left, rounds)}, &none); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu(b)-begun)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpu is the processor time that this process has used: on a busy machine the clock
// tells little.
func cpu(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
