package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"edge/abi"
)

// fileInfoHeader tells what a download is a copy of.
const fileInfoHeader = "Edge-File-Info"

// readFile opens a file of a sandbox. The caller closes the body; one that ends
// without an error is complete.
func (c *Client) readFile(ctx context.Context, ref Ref, file string) (info abi.FileInfo, body io.ReadCloser, err error) {
	resp, err := c.post(ctx, ref, abi.ReadFileStream.Name(), &abi.ReadFileStreamRequest{Path: file})
	if err != nil {
		return info, nil, err
	}
	if err := json.Unmarshal([]byte(resp.Header.Get(fileInfoHeader)), &info); err != nil {
		resp.Body.Close()
		return info, nil, fmt.Errorf("the edge does not say what %s is: %w", file, err)
	}
	return info, resp.Body, nil
}

// writeFile writes a file of a sandbox from content, which has size bytes, or as
// many as there are if size is -1. An empty mode is the default one.
func (c *Client) writeFile(ctx context.Context, ref Ref, file, mode string, size int64, content io.Reader) error {
	query := url.Values{"path": {file}}
	if mode != "" {
		query.Set("mode", mode)
	}
	if size >= 0 {
		content = io.LimitReader(content, size) // it may grow meanwhile
	}
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	resp, err := c.send(ctx, http.MethodPut, ref.path(abi.WriteFileStream.Name())+"?"+query.Encode(), header, content, size)
	if err != nil {
		return err
	}
	var written abi.WriteFileResponse
	return decode(resp, &written)
}
