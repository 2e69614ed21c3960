// Package child runs a program as a process that never outlives this one: the
// kernel ends it when this process dies, even by kill -9. Linux only.
// docs/words.md defines cluster and world, which run such processes.
package child

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is a running child.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Start starts cmd. When this process dies, however it dies, the child is sent
// the signal onDeath. The child has a process group of its own, so that Ctrl-C on a
// terminal reaches this process alone. Other fields of cmd.SysProcAttr are kept.
func Start(cmd *exec.Cmd, onDeath syscall.Signal) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}

	// The kernel sends it even after a kill -9, when no code of this process runs any more.
	cmd.SysProcAttr.Pdeathsig = onDeath
	cmd.SysProcAttr.Setpgid = true
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// run starts the child and stays on its thread until the child ends: the kernel
// watches the thread that forked, not the process. See https://go.dev/issue/27505
func (p *Process) run(started chan<- error) {
	// Without it Go might end the thread while the process lives on, and the child with it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	p.err = p.cmd.Wait()
	close(p.done)
}

// PID is the process id of the child.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the child ended, nil for exit code 0. It may be asked once Done is closed.
func (p *Process) Err() error { return p.err }

// Stop sends the signal, waits for the child to end, and kills it when it has not
// ended within the grace. It returns at once when the child has ended already.
func (p *Process) Stop(signal syscall.Signal, grace time.Duration) {
	_ = p.cmd.Process.Signal(signal) // it may have ended in the meantime: Done says so
	select {
	case <-p.done:
	case <-time.After(grace):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}
