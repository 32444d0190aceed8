package docker

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/errdefs"

	"edge/sandboxmgr"
)

// An engine that shares no files with the edge gets the init once, in a volume
// that its sandboxes have mounted read-only at /.edge: no sandbox can change it,
// and one with a root that cannot be written can have it as well. The engine
// removes the volume when the last of them has gone.

const (
	edgeTarget = "/.edge"
	// runOptions are of the folder in which the relay listens. It is root's, so
	// that the sandbox's own user cannot put another socket there.
	runOptions = "rw,nosuid,nodev,noexec,mode=0755,size=65536"
)

// initVolumeOf names the volume with that init.
func (r *Runtime) initVolumeOf(spec *sandboxmgr.MachineSpec) (string, error) {
	digest, err := r.digestOf(spec.InitPath)
	if err != nil {
		return "", fmt.Errorf("the init: %w", err)
	}
	return "edge." + spec.Labels[sandboxmgr.LabelOwner] + ".init." + digest, nil
}

// version is a file as it was when its content was read.
type version struct {
	path  string
	size  int64
	mtime time.Time
}

// digestOf digests a file's content, once for each version of it.
func (r *Runtime) digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	v := version{path, st.Size(), st.ModTime()}
	if digest, ok := r.digests.Load(v); ok {
		return digest.(string), nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	digest := hex.EncodeToString(sum.Sum(nil)[:8])
	r.digests.Store(v, digest)
	return digest, nil
}

// initMount mounts the volume.
func (w wish) initMount(readOnly bool) mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Source: w.initVolume, Target: edgeTarget, ReadOnly: readOnly,
		VolumeOptions: &mount.VolumeOptions{NoCopy: true, Labels: map[string]string{
			sandboxmgr.LabelOwner: w.Labels[sandboxmgr.LabelOwner],
		}},
	}
}

// mountCopy gives the container the copy of the init, and a folder for the relay.
func (w wish) mountCopy(h *container.HostConfig) {
	h.Mounts = append(h.Mounts, w.initMount(true))
	if h.Tmpfs == nil {
		h.Tmpfs = make(map[string]string)
	}
	h.Tmpfs[runTarget] = runOptions
}

// ensureInit sees to it that the volume of the container, which holds on to it,
// has the whole init in it.
func (r *Runtime) ensureInit(ctx context.Context, w wish, id string) error {
	if w.initVolume == "" {
		return nil
	}
	err := r.alone(ctx, w.initVolume, func() error {
		f, err := os.Open(w.InitPath)
		if err != nil {
			return err
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			return err
		}
		var there container.PathStat
		err = r.call(ctx, callTimeout, func(ctx context.Context) error {
			there, err = r.client.ContainerStatPath(ctx, id, initTarget)
			return err
		})
		if err == nil && there.Size == st.Size() || err != nil && !errdefs.IsNotFound(err) {
			return err
		}
		return r.uploadInit(ctx, w, f, st.Size())
	})
	if err != nil {
		return fmt.Errorf("copy the init to the engine: %w", err)
	}
	return nil
}

// uploadInit fills the volume, by a container that never runs.
func (r *Runtime) uploadInit(ctx context.Context, w wish, content io.Reader, size int64) error {
	seed := w.Name + seedSuffix
	if err := r.removeContainer(ctx, seed); err != nil {
		return err
	}
	host := w.seedHost()
	host.Mounts = []mount.Mount{w.initMount(false)}
	if _, err := r.createContainer(ctx, seed, w.seedConfig(w.Image), host, nil); err != nil {
		return err
	}
	defer r.forget(ctx, seed)
	archive, in := io.Pipe()
	packed := make(chan error, 1)
	go packInit(in, content, size, packed)
	err := r.call(ctx, commitTimeout, func(ctx context.Context) error {
		return r.client.CopyToContainer(ctx, seed, edgeTarget, archive, container.CopyToContainerOptions{})
	})
	archive.CloseWithError(errUnread) // ends packInit, whatever it does
	if perr := <-packed; !errors.Is(perr, errUnread) {
		err = errors.Join(err, perr)
	}
	if err == nil {
		r.log.Info("copied the sandboxes' init to the engine", "engine", r.host, "bytes", size)
	}
	return err
}

// errUnread: nobody reads the archive any more.
var errUnread = errors.New("archive not wanted any more")

// packInit writes the archive of /.edge and tells what came of it. It is not
// compressed: engines have been attacked through what they call to unpack one.
func packInit(w *io.PipeWriter, content io.Reader, size int64, done chan<- error) {
	to := tar.NewWriter(w)
	err := to.WriteHeader(&tar.Header{Name: path.Base(runTarget) + "/", Typeflag: tar.TypeDir, Mode: 0o755})
	if err == nil {
		err = to.WriteHeader(&tar.Header{Name: path.Base(initTarget), Typeflag: tar.TypeReg, Mode: 0o755, Size: size})
	}
	if err == nil {
		_, err = io.Copy(to, content)
	}
	err = errors.Join(err, to.Close())
	w.CloseWithError(err) // nil is the end
	done <- err
}

// dropInit removes the volume from which a container, now removed, had its init.
// The engine keeps one that is in use.
func (r *Runtime) dropInit(ctx context.Context, c container.InspectResponse) {
	if c.Config.Labels[labelRun] == "" {
		return
	}
	for _, m := range c.Mounts {
		if m.Type != mount.TypeVolume || m.Destination != edgeTarget {
			continue
		}
		if err := r.removeVolume(ctx, m.Name); err != nil && !errdefs.IsConflict(err) {
			r.log.Warn("a volume that nobody uses stays behind", "volume", m.Name, "error", err)
		}
	}
}

// writeProfile puts the seccomp profile beside the init, for an engine that wants
// the name of a file, and returns that.
func writeProfile(initPath string) (string, error) {
	sum := sha256.Sum256([]byte(seccompProfile))
	file := filepath.Join(filepath.Dir(initPath), "seccomp-"+hex.EncodeToString(sum[:8])+".json")
	if b, err := os.ReadFile(file); err == nil && string(b) == seccompProfile {
		return file, nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".seccomp-*")
	if err != nil {
		return "", fmt.Errorf("seccomp profile: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = io.Copy(tmp, strings.NewReader(seccompProfile))
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return "", fmt.Errorf("seccomp profile: %w", err)
	}
	return file, nil
}
