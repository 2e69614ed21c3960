package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"caselink.example/connectors/store"
	"caselink.example/connectors/store/cluster"
)

const (
	devDatabase  = "caselink"
	readyWithin  = 60 * time.Second
	gpOffset     = 1 // from the adapter's port to that of the GP systems
	issuerOffset = 2 // and to that of the issuer
)

// Dev is a running developer's world.
type Dev struct {
	data  string
	out   io.Writer
	lock  *os.File
	parts []*part // in the order of their start

	mu    sync.Mutex // guards world and what is written of it
	world World
	ready bool // dev.json is there
}

// New is a world in the data folder that says on out what happens to it.
func New(data string, out io.Writer) *Dev { return &Dev{data: data, out: out} }

// Start brings everything up and returns when it is ready.
func (d *Dev) Start(ctx context.Context, listen string, progress io.Writer) error {
	if err := d.openData(); err != nil {
		return err
	}
	bin, err := cluster.FindOrInstall(ctx, progress)
	if err != nil {
		return err
	}
	sockets, err := openSockets(listen)
	if err != nil {
		return err
	}
	defer sockets.close() // the parts have copies
	pg, err := d.startPostgres(ctx, bin)
	if err != nil {
		return err
	}
	if err := d.writeConfigs(pg, sockets); err != nil {
		return err
	}
	if err := d.startParts(sockets); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for _, p := range d.parts {
		if err := p.awaitReady(ctx); err != nil {
			return err
		}
	}
	return d.announce()
}

// openData makes the data folder and takes its lock: one folder, one world.
func (d *Dev) openData() (err error) {
	if d.data, err = filepath.Abs(d.data); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(d.data, "secrets"), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(d.data, "secrets"), 0o700); err != nil {
		return err
	}
	path := filepath.Join(d.data, "dev.lock")
	if d.lock, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(path) // the number only helps
		d.data = ""                 // not ours to clean up
		return fmt.Errorf("%s is in use by another caselink dev (process %s): stop it, or choose another folder with --data", filepath.Dir(path), pid)
	}
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	if _, err := d.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0); err != nil {
		return err
	}
	return d.withdraw()
}

// sockets are the listening sockets of all parts. They are opened once and passed
// on, so that while a part restarts its clients wait rather than being refused.
type sockets struct{ adapter, gps, issuer net.Listener }

func openSockets(listen string) (s sockets, err error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return s, fmt.Errorf("--listen must be host:port: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return s, fmt.Errorf("--listen: the port must be a number, not %q", port)
	}
	offset := func(n int) string {
		if number == 0 {
			return net.JoinHostPort(host, "0")
		}
		return net.JoinHostPort(host, strconv.Itoa(number+n))
	}
	for _, open := range []struct {
		ln     *net.Listener
		offset int
	}{{&s.adapter, 0}, {&s.gps, gpOffset}, {&s.issuer, issuerOffset}} {
		if *open.ln, err = net.Listen("tcp", offset(open.offset)); err != nil {
			s.close()
			return s, fmt.Errorf("%w: choose another port with --listen; the two after it are needed too", err)
		}
	}
	return s, nil
}

func (s sockets) close() {
	for _, ln := range []net.Listener{s.adapter, s.gps, s.issuer} {
		if ln != nil {
			_ = ln.Close() // nothing is accepted on it here
		}
	}
}

// startPostgres starts the private PostgreSQL and brings its schema up to date.
func (d *Dev) startPostgres(ctx context.Context, bin cluster.Binaries) (*cluster.Cluster, error) {
	cfg := cluster.Config{Dir: filepath.Join(d.data, "postgres"), Binaries: bin}
	pg, err := cluster.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if pg.Home != cfg.Dir {
		fmt.Fprintf(d.out, "PostgreSQL keeps its data in %s, because it does not run as root and cannot get into %s.\n", pg.Home, cfg.Dir)
	}
	d.keep(&part{name: "PostgreSQL", running: pg, again: func() (running, error) { return cluster.Start(context.WithoutCancel(ctx), cfg) }})
	if err := pg.CreateDatabase(ctx, devDatabase); err != nil {
		return nil, err
	}
	return pg, store.Migrate(ctx, pg.URL(devDatabase, cluster.Owner))
}

// writeConfigs writes the configurations of the parts, which are ordinary ones.
func (d *Dev) writeConfigs(pg *cluster.Cluster, s sockets) error {
	seed, err := readSeed(d.data)
	if err != nil {
		return err
	}
	at := addresses{adapter: reachable(s.adapter), gps: reachable(s.gps), issuer: reachable(s.issuer)}
	d.world = newWorld(d.data, seed, pg.URL(devDatabase, cluster.Admin), at)
	const note = "Written by caselink dev at each start: changes are lost."
	serve := d.world.serveConfig(s.adapter.Addr().String(), pg.URL(devDatabase, store.Login), pg.URL(devDatabase, cluster.Owner))
	return errors.Join(
		writeYAML(d.world.ServeConfig, note, serve),
		writeYAML(d.simulateConfigPath(), note, d.world.simulateConfig(d.data, at)),
		writeAtomically(d.examplePath(), newExample()),
	)
}

func (d *Dev) simulateConfigPath() string { return filepath.Join(d.data, "secrets", "simulate.yaml") }
func (d *Dev) examplePath() string        { return filepath.Join(d.data, "referral.json") }

// startParts starts this program twice more: as the stand-ins, and as the adapter.
func (d *Dev) startParts(s sockets) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	simulate, err := d.program("simulators", []net.Listener{s.issuer, s.gps}, program, "simulate", "--config", d.simulateConfigPath())
	if err != nil {
		return err
	}
	simulate.readyURLs = []string{d.world.Issuer + "/.well-known/openid-configuration"}
	for _, gp := range d.world.GPSystems {
		simulate.readyURLs = append(simulate.readyURLs, gp+"/metadata")
	}
	adapter, err := d.program("adapter", []net.Listener{s.adapter}, program, "serve", "--config", d.world.ServeConfig)
	if err != nil {
		return err
	}
	adapter.readyURLs = []string{d.world.PublicURL() + "/readyz"}
	adapter.onStart = d.adapterStarted
	for _, p := range []*part{simulate, adapter} {
		if p.running, err = p.again(); err != nil {
			return err
		}
		d.keep(p)
	}
	return nil
}

// adapterStarted keeps dev.json true.
func (d *Dev) adapterStarted(pid int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.world.AdapterPID = pid
	if d.ready {
		if err := d.world.write(d.data); err != nil {
			fmt.Fprintf(d.out, "%s could not be brought up to date: %v\n", File, err)
		}
	}
}

// announce writes dev.json: everything is ready.
func (d *Dev) announce() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ready = true
	return d.world.write(d.data)
}

// withdraw removes dev.json.
func (d *Dev) withdraw() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ready = false
	if err := os.Remove(filepath.Join(d.data, File)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Stop ends the parts in the reverse order of their start, so that the adapter can
// finish what it does, and lifts the lock.
func (d *Dev) Stop() {
	if d.data == "" {
		return
	}
	if err := d.withdraw(); err != nil {
		fmt.Fprintln(d.out, err)
	}
	for i := len(d.parts) - 1; i >= 0; i-- {
		d.parts[i].stop()
	}
	if d.lock != nil {
		_ = d.lock.Close() // closing it lifts it
	}
}
