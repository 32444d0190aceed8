//go:build !wasip1

package guest_test

import (
	"errors"
	"slices"
	"testing"

	"edge/abi"
	"edge/abi/guest"
	"edge/abi/guest/guesttest"
)

func TestEnsureServer(t *testing.T) {
	t.Parallel()
	var (
		missing = abi.Errorf(abi.CodeProcessNotFound, "there is no process")
		ended   = abi.Errorf(abi.CodeProcessExitedBeforeReady, "the process exited")
		lost    = abi.Errorf(abi.CodeSandboxLost, "the sandbox was lost")
		slow    = abi.Errorf(abi.CodeProcessReadyTimeout, "nothing listens")
		exists  = abi.Errorf(abi.CodeProcessAlreadyExists, "process already exists")
		denied  = abi.Errorf(abi.CodePermissionDenied, "read-only")
	)
	cold := []string{"waitForPort", "writeFile", "startProcess", "waitForPort"}
	for _, tt := range []struct {
		name         string
		first, again error // what waitForPort answers before and after the start
		write, start error
		want         error
		operations   []string
	}{
		{"up", nil, nil, nil, nil, nil, cold[:1]},
		{"missing", missing, nil, nil, nil, nil, cold},
		{"ended", ended, nil, nil, nil, nil, cold},
		{"lost with its sandbox", lost, nil, nil, nil, nil, cold},
		{"another request was faster", missing, nil, nil, exists, nil, cold},
		{"never listens", missing, slow, nil, nil, slow, cold},
		{"another failure starts nothing", slow, nil, nil, nil, slow, cold[:1]},
		{"cannot be written", missing, nil, denied, nil, denied, cold[:2]},
		{"cannot be started", missing, nil, nil, denied, denied, cold[:3]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			waits, got := 0, error(nil)
			host := &guesttest.Host{Handler: func(*guest.Request) (guest.Response, error) {
				got = guest.GetSandbox("Sandbox", "a").EnsureServer(guest.Server{ProcessID: "s", Port: 8080, Path: "/s", Source: []byte("x"), Command: "run"})
				return guest.Text(200, ""), nil
			}}
			guesttest.On(host, abi.WaitForPort, func(_ guesttest.Call, req *abi.WaitForPortRequest) (*abi.WaitForPortResponse, error) {
				waits++
				if waits == 1 {
					return &abi.WaitForPortResponse{}, tt.first
				}
				return &abi.WaitForPortResponse{}, tt.again
			})
			guesttest.On(host, abi.WriteFile, func(guesttest.Call, *abi.WriteFileRequest) (*abi.WriteFileResponse, error) {
				return &abi.WriteFileResponse{}, tt.write
			})
			guesttest.On(host, abi.StartProcess, func(guesttest.Call, *abi.StartProcessRequest) (*abi.Process, error) {
				return &abi.Process{}, tt.start
			})
			result := host.Do(guesttest.Request("GET", "/"))
			var code abi.Code
			if e := new(abi.Error); errors.As(tt.want, &e) {
				code = e.Code
			}
			if (got == nil) != (code == "") || code != "" && !errors.Is(got, code.Err()) {
				t.Errorf("error %v, want %v", got, tt.want)
			}
			if ops := result.Operations(); !slices.Equal(ops, tt.operations) {
				t.Errorf("operations %v, want %v", ops, tt.operations)
			}
		})
	}
}
