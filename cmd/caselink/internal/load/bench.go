package load

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"caselink.example/cmd/caselink/internal/world"
	"caselink.example/connectors/store/measure"
)

// Report is everything that one run measured.
type Report struct {
	Version    string            `json:"version"`
	At         time.Time         `json:"at"`
	ReadyMS    float64           `json:"readyMs"`
	IdleMiB    float64           `json:"idleMiB"`
	Runs       []Run             `json:"runs"`
	Latency    measure.Delivered `json:"commitToGPSystem"` // at 100 referrals a second
	WriteBacks measure.Delivered `json:"backlog"`          // what was owed while the GP systems were down
}

// Run is one row of the table.
type Run struct {
	What string `json:"what"` // referral, bare
	Disk string `json:"disk"` // as it is, 1 ms a flush
	Figures
	AdapterCPU  float64 `json:"adapterCPUms"` // per referral
	DatabaseCPU float64 `json:"databaseCPUms"`
}

// Bench is a benchmark of this machine with a world of its own.
type Bench struct {
	Folder   string        // empty; the caller removes it
	Release  string        // the version of this program
	Duration time.Duration // of each figure
	Out      io.Writer     // for the table
}

// Run measures and prints a table.
func (b Bench) Run(ctx context.Context) (Report, error) {
	// The same referrals in each run: two runs differ by what was changed between them.
	t := &trial{Bench: b, http: world.NewHTTP(), rng: rand.New(rand.NewPCG(1, 2))}
	if err := t.start(ctx); err != nil {
		return Report{}, err
	}
	defer t.stop()
	if err := t.measure(ctx); err != nil {
		return Report{}, err
	}
	t.print()
	return t.report, nil
}

// trial is one run of a benchmark.
type trial struct {
	Bench
	http   *http.Client
	rng    *rand.Rand
	dev    *exec.Cmd
	world  world.World
	report Report
}

// start runs caselink dev and waits until it is ready.
func (t *trial) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(t.Folder, "dev.log"))
	if err != nil {
		return err
	}
	defer log.Close()

	// As processes, not in this one: the processor time of the load must not be counted as
	// the adapter's.
	data := filepath.Join(t.Folder, "data")
	t.dev = exec.Command(self, "dev", "--listen", "127.0.0.1:0", "--data", data, "--demo=false")
	t.dev.Stdout, t.dev.Stderr = log, log
	started := time.Now()
	if err := t.dev.Start(); err != nil {
		return err
	}
	for {
		if t.world, err = world.Read(data); err == nil {
			break
		}
		if time.Since(started) > time.Minute || !world.Pause(ctx, 5*time.Millisecond) {
			t.stop()
			return errors.New("caselink dev did not get ready: see caselink dev --help")
		}
	}
	t.report = Report{
		Version: t.Release, At: started.UTC(),
		ReadyMS: milliseconds(time.Since(started)), IdleMiB: residentMiB(t.world.AdapterPID),
	}
	return nil
}

func (t *trial) stop() {
	// caselink dev stops its parts itself; killed, it would leave PostgreSQL no time to end.
	_ = t.dev.Process.Signal(syscall.SIGTERM)
	_ = t.dev.Wait()
}

// measure takes all figures. The GP systems are down while referrals are counted, so
// that what is measured is what a 201 waits for; then they take what is owed.
func (t *trial) measure(ctx context.Context) error {
	if err := t.fault(ctx, `{"down":true}`); err != nil {
		return err
	}
	for _, disk := range []struct {
		name  string
		delay int // of each flush, in microseconds
	}{
		{diskAsItIs, 0},
		// As on a disk that really writes before it says so. That of a developer may say so at
		// once, and every commit then looks free.
		{"1 ms a flush", 1000},
	} {
		if err := measure.FlushDelay(ctx, t.world.DatabaseURL, disk.delay); err != nil {
			return err
		}
		for _, clients := range []int{1, 8, 32} {
			if err := t.referrals(ctx, disk.name, clients); err != nil {
				return err
			}
		}
		if err := t.bare(ctx, disk.name, 8); err != nil {
			return err
		}
	}
	if err := measure.FlushDelay(ctx, t.world.DatabaseURL, 0); err != nil {
		return err
	}
	return t.deliveries(ctx)
}

// diskAsItIs is the name of this machine's disk without any delay.
const diskAsItIs = "as it is"

// referrals measures creates from clients in a closed loop, after a short warm-up. In a
// closed loop each client waits for its answer: the figures are what so many clients get,
// and a rate above what the adapter can do, where every latency is that of a queue without
// an end, cannot be asked for.
func (t *trial) referrals(ctx context.Context, disk string, clients int) error {
	token, err := t.world.Token(ctx, t.http, "gp-a")
	if err != nil {
		return err
	}
	run := func(d time.Duration) (*Hammer, time.Duration, error) {
		h := t.hammer(token, clients, t.rng.Uint64())
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		start := time.Now()
		err := h.Run(ctx, 0)
		return h, time.Since(start), err
	}

	// Connections, prepared statements and the adapter's token cache are made once, and are
	// not what a referral costs.
	if _, _, err := run(t.Duration / 4); err != nil {
		return err
	}
	// What the runs before have left to be written would else be written in this one.
	if err := measure.Checkpoint(ctx, t.world.DatabaseURL); err != nil {
		return err
	}
	before := t.cpu()
	h, took, err := run(t.Duration)
	if err != nil {
		return err
	}
	t.add("referral", disk, h.Figures(took), before)
	return nil
}

// hammer sends as the practice gp-a.
func (t *trial) hammer(token string, clients int, seed uint64) *Hammer {
	return NewHammer(HammerConfig{
		Base: t.world.FHIRBase, ODS: t.world.Clients["gp-a"].ODS, Token: token, Clients: clients, Seed: seed,
	})
}

// add notes the figures and what they cost since before.
func (t *trial) add(what, disk string, f Figures, before cpuTimes) {
	after := t.cpu()
	n := float64(max(f.Referrals, 1))
	t.report.Runs = append(t.report.Runs, Run{
		What: what, Disk: disk, Figures: f,
		AdapterCPU:  milliseconds(after.adapter-before.adapter) / n,
		DatabaseCPU: milliseconds(after.database-before.database) / n,
	})
}
