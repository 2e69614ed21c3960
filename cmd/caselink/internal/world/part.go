package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/store/cluster/child"
)

const (
	restartAfter = 100 * time.Millisecond
	stopWithin   = 35 * time.Second // longer than the adapter's drain: 20 s for requests, then 10 s for deliveries
)

// running is a part that has been started.
type running interface {
	PID() int
	Done() <-chan struct{} // closed when it has ended, asked or not
	Stop()                 // ends it and releases what it holds, however often it is called
}

// part is one process of the developer's world.
type part struct {
	name      string
	running   running
	start     func() (running, error) // starts it, now or again
	onStart   func(pid int)           // called at each start; may be nil
	readyURLs []string                // answer 200 when it is ready
	logFile   string

	cancel context.CancelFunc
	ended  chan struct{} // it will not be started again
}

// program is a part that runs this program with the sockets passed on.
func (d *Dev) program(name string, passed []net.Listener, path string, args ...string) (*part, error) {
	var files []*os.File
	for _, ln := range passed {
		f, err := ln.(*net.TCPListener).File() // the listeners of dev are TCP's
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	p := &part{name: name, logFile: filepath.Join(d.data, name+".log")}
	p.start = func() (running, error) {
		log, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		defer log.Close()

		cmd := exec.Command(path, args...)
		cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, files
		cmd.Env = append(partEnvironment(config.Environ()), "LISTEN_FDS="+strconv.Itoa(len(files)))
		// Should this process be killed, the kernel ends the child at once: a part that
		// stayed would keep the ports and the database of the next start.
		started, err := child.Start(cmd, syscall.SIGKILL)
		if err != nil {
			return nil, err
		}
		if p.onStart != nil {
			p.onStart(started.PID())
		}
		return process{started}, nil
	}
	return p, nil
}

// partEnvironment is the environment without what would change the configuration of a
// part, which is written for it, or give it other sockets.
func partEnvironment(env config.Environment) []string {
	var kept []string
	for name, value := range env {
		if !strings.HasPrefix(name, "CASELINK_") && !strings.HasPrefix(name, "LISTEN_") {
			kept = append(kept, name+"="+value)
		}
	}
	return kept
}

// process is a child that drains on SIGTERM.
type process struct{ *child.Process }

func (p process) Stop() { p.Process.Stop(syscall.SIGTERM, stopWithin) }

// keep supervises a part that runs until d stops.
func (d *Dev) keep(p *part) {
	// Not with the context of the start, whose end would stop all parts at once: Stop ends
	// them one after the other.
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.ended = cancel, make(chan struct{})
	d.parts = append(d.parts, p)
	go func() {
		defer close(p.ended)
		p.supervise(ctx, d.out)
	}()
}

// stop ends the part for good.
func (p *part) stop() {
	p.cancel()
	<-p.ended
}

// supervise starts the part again whenever it ends, and stops it when ctx is done.
func (p *part) supervise(ctx context.Context, out io.Writer) {
	for now := p.running; ; {
		select {
		case <-ctx.Done():
			now.Stop()
			return
		case <-now.Done():
			// It has ended, and what it holds is to be released: PostgreSQL's lock and socket.
			now.Stop()
		}
		next := p.restart(ctx, out)
		if next == nil {
			return
		}
		now = next
	}
}

// restart tries until the part is started, nil when ctx is done before.
func (p *part) restart(ctx context.Context, out io.Writer) running {
	// Each part comes back by itself, whatever the others do: the adapter waits for its
	// database, and clients wait in the sockets. The pause keeps a part that cannot start
	// from using up the machine.
	for Pause(ctx, restartAfter) {
		next, err := p.start()
		if err == nil {
			fmt.Fprintf(out, "The %s ended and was started again as process %d.\n", p.name, next.PID())
			return next
		}
		fmt.Fprintf(out, "The %s ended and cannot be started: %v\n", p.name, err)
	}
	return nil
}

// awaitReady returns when the part answers. A part that ends before does not get a
// second chance.
func (p *part) awaitReady(ctx context.Context, client *http.Client) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// A part that ends at its first start has a fault that a restart does not mend. To wait
	// for it would hide the reason, which is in its log, for a minute.
	first := p.running
	go func() {
		select {
		case <-first.Done():
			cancel(fmt.Errorf("the %s ended at once: %s", p.name, p.lastLogLine()))
		case <-ctx.Done():
		}
	}()
	for _, url := range p.readyURLs {
		if err := awaitOK(ctx, client, url); err != nil {
			return fmt.Errorf("the %s is not ready: %w (see %s)", p.name, err, p.logFile)
		}
	}
	return nil
}

// lastLogLine is the last line of the part's log.
func (p *part) lastLogLine() string {
	text, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(lines[len(lines)-1])
}

// awaitOK asks until the answer is 200.
func awaitOK(ctx context.Context, client *http.Client, url string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close() // only the status is of interest
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(url + " answers " + resp.Status)
		}
		if !Pause(ctx, 20*time.Millisecond) {
			// When the time is over, the last answer says more than that it is over.
			if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
				return cause
			}
			return err
		}
	}
}
