//go:build !linux

package runtimetest

import "errors"

func onTerminal(string) ([]byte, error) { return nil, errors.New("guests run on Linux") }
