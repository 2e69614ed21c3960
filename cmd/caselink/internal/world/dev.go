package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
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

// Dev is a caselink dev that runs.
type Dev struct {
	data  string
	out   io.Writer
	http  *http.Client
	lock  *os.File // nil until the data folder is this process's
	parts []*part  // in the order of their start

	mu    sync.Mutex // guards world and what is written of it
	world World
	ready bool // dev.json is there
}

// New is a world in the data folder that says on out what happens to it.
func New(data string, out io.Writer) *Dev { return &Dev{data: data, out: out, http: NewHTTP()} }

// Start brings everything up and returns when it is ready.
func (d *Dev) Start(ctx context.Context, listen string, progress io.Writer) error {
	if err := d.openData(); err != nil {
		return err
	}
	bin, err := cluster.FindOrInstall(ctx, progress)
	if err != nil {
		return err
	}

	// Before anything is started: a port that is taken is the commonest fault, and shows at
	// once.
	sockets, err := openSockets(listen)
	if err != nil {
		return err
	}
	defer sockets.close() // the parts have copies

	// Then in the order in which each needs the one before: the adapter checks the database
	// and asks the issuer for its keys.
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
		if err := p.awaitReady(ctx, d.http); err != nil {
			return err
		}
	}

	// dev.json comes last: whoever waits for the file finds a world that answers.
	return d.announce()
}

// startPostgres starts the private PostgreSQL and brings its schema up to date.
func (d *Dev) startPostgres(ctx context.Context, bin cluster.Binaries) (*cluster.Cluster, error) {
	cfg := cluster.Config{Dir: filepath.Join(d.data, "postgres"), Binaries: bin}
	pg, err := cluster.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if pg.Home != cfg.Dir {
		fmt.Fprintf(d.out, "PostgreSQL keeps its data in %s, because it does not run as root and cannot get into %s.\n",
			pg.Home, cfg.Dir)
	}
	d.keep(&part{name: "PostgreSQL", running: pg, start: func() (running, error) {
		// Not with ctx: after its end a restart could only fail, and Stop would wait for it.
		return cluster.Start(context.WithoutCancel(ctx), cfg)
	}})
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
	runtimeURL, ownerURL := pg.URL(devDatabase, store.Login), pg.URL(devDatabase, cluster.Owner)
	serve := d.world.serveConfig(s.adapter.Addr().String(), runtimeURL, ownerURL)
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
	// The stand-ins take their sockets in this order: the issuer's, the GP systems'.
	simulate, err := d.program("simulators", []net.Listener{s.issuer, s.gps},
		program, "simulate", "--config", d.simulateConfigPath())
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
		if p.running, err = p.start(); err != nil {
			return err
		}
		d.keep(p)
	}
	return nil
}

// adapterStarted keeps dev.json true: whoever kills the adapter to see what happens, as the
// tests and the hammer's users do, finds its next process there.
func (d *Dev) adapterStarted(pid int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.world.AdapterPID = pid
	// Not before the world is ready: the file is the sign that it is.
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
	if d.lock == nil {
		return // the folder is another's, with all that is in it
	}
	// First the sign that the world is ready, so that nobody begins what cannot end.
	if err := d.withdraw(); err != nil {
		fmt.Fprintln(d.out, err)
	}
	for _, p := range slices.Backward(d.parts) {
		p.stop()
	}
	_ = d.lock.Close() // closing it lifts it
}
