package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"caselink.example/cmd/caselink/internal/adapter"
	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/cmd/caselink/internal/world"
	"caselink.example/connectors/simulator"
	"caselink.example/connectors/store/measure"
	"caselink.example/fhir"
	"caselink.example/mapping/workflow"
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

// Bench measures a world of its own in dir and prints a table on out.
func Bench(ctx context.Context, dir, release string, duration time.Duration, out io.Writer) (Report, error) {
	b := &bench{dir: dir, release: release, duration: duration, out: out, rng: rand.New(rand.NewPCG(1, 2))}
	if err := b.start(ctx); err != nil {
		return Report{}, err
	}
	defer b.stop()
	if err := b.measure(ctx); err != nil {
		return Report{}, err
	}
	b.print()
	return b.report, nil
}

// bench is one run of the benchmark against a world of its own.
type bench struct {
	dir      string
	release  string
	duration time.Duration
	out      io.Writer
	rng      *rand.Rand
	Dev      *exec.Cmd
	world    world.World
	report   Report
}

// start runs caselink dev and waits until it is ready.
func (b *bench) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(b.dir, "dev.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	b.Dev = exec.Command(self, "dev", "--listen", "127.0.0.1:0", "--data", filepath.Join(b.dir, "data"), "--demo=false")
	b.Dev.Stdout, b.Dev.Stderr = log, log
	started := time.Now()
	if err := b.Dev.Start(); err != nil {
		return err
	}
	for {
		if b.world, err = world.Read(filepath.Join(b.dir, "data")); err == nil {
			break
		}
		if time.Since(started) > time.Minute || !world.Pause(ctx, 5*time.Millisecond) {
			b.stop()
			return errors.New("caselink dev did not get ready: see caselink dev --help")
		}
	}
	b.report = Report{Version: b.release, At: started.UTC(), ReadyMS: milliseconds(time.Since(started)), IdleMiB: residentMiB(b.world.AdapterPID)}
	return nil
}

func (b *bench) stop() {
	_ = b.Dev.Process.Signal(syscall.SIGTERM)
	_ = b.Dev.Wait()
}

// measure takes all figures. The GP systems are down while referrals are counted, so
// that what is measured is what a 201 waits for; then they take what is owed.
func (b *bench) measure(ctx context.Context) error {
	if err := b.fault(ctx, `{"down":true}`); err != nil {
		return err
	}
	for _, disk := range []struct {
		name  string
		delay int
	}{{"as it is", 0}, {"1 ms a flush", 1000}} {
		if err := measure.FlushDelay(ctx, b.world.DatabaseURL, disk.delay); err != nil {
			return err
		}
		for _, clients := range []int{1, 8, 32} {
			if err := b.referrals(ctx, disk.name, clients); err != nil {
				return err
			}
		}
		if err := b.bare(ctx, disk.name, 8); err != nil {
			return err
		}
	}
	if err := measure.FlushDelay(ctx, b.world.DatabaseURL, 0); err != nil {
		return err
	}
	return b.deliveries(ctx)
}

// referrals measures creates from clients in a closed loop, after a short warm-up.
func (b *bench) referrals(ctx context.Context, disk string, clients int) error {
	token, err := b.world.Token(ctx, "gp-a")
	if err != nil {
		return err
	}
	run := func(d time.Duration) (*hammer, time.Duration, error) {
		h := NewHammer(b.world.FHIRBase, b.world.Clients["gp-a"].ODS, token, clients, b.rng.Uint64())
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		start := time.Now()
		err := h.Run(ctx, 0)
		return h, time.Since(start), err
	}
	if _, _, err := run(b.duration / 4); err != nil {
		return err
	}
	if err := measure.Checkpoint(ctx, b.world.DatabaseURL); err != nil {
		return err
	}
	before := b.cpu()
	h, took, err := run(b.duration)
	if err != nil {
		return err
	}
	b.add("referral", disk, h.Figures(took), before)
	return nil
}

// bare stores the same rows without HTTP, token, decoding or mapping.
func (b *bench) bare(ctx context.Context, disk string, clients int) error {
	cfg, err := config.Load(b.world.ServeConfig, config.Environment{})
	if err != nil {
		return err
	}
	make, err := b.change(cfg)
	if err != nil {
		return err
	}
	before := b.cpu()
	timed, cancel := context.WithTimeout(ctx, b.duration)
	defer cancel()
	start := time.Now()
	n, err := measure.Bare(timed, cfg.Database.URL, clients, make)
	if err != nil {
		return err
	}
	b.add("bare", disk, Figures{Clients: clients, Referrals: n, PerSecond: float64(n) / time.Since(start).Seconds()}, before)
	return nil
}

// change returns a maker of what one referral stores, each with ids of its own.
func (b *bench) change(cfg config.Config) (func() workflow.Change, error) {
	ods := b.world.Clients["gp-a"].ODS
	r := simulator.NewSample(b.rng, ods, "bare")
	flow := &workflow.Flow{Directory: adapter.NewDirectory(cfg), Base: b.world.FHIRBase, Now: time.Now, NewID: adapter.NewID}
	first, _, err := flow.Received(fhir.Scope{Role: fhir.RoleGP, Holder: ods}, workflow.Incoming{
		Format: fhir.JSON, Original: workflow.Message{MediaType: string(fhir.JSON), Body: r.JSON},
	})
	if err != nil {
		return nil, err
	}
	return func() workflow.Change { return renamed(first) }, nil
}

// renamed is the Change with fresh ids and the same bytes.
func renamed(c workflow.Change) workflow.Change {
	c.Referral.ID, c.Case.ID = adapter.NewID(), adapter.NewID()
	opening := *c.Opening
	opening.Identities = []workflow.Identity{{Kind: workflow.IdentityIdentifier, System: simulator.SystemReferral, Value: uuid.NewString()}}
	c.Opening = &opening
	c.Resources = append([]fhir.Stored(nil), c.Resources...)
	c.Resources[0].ID, c.Resources[1].ID = c.Referral.ID, adapter.NewID()
	c.Owed = append([]workflow.Owed(nil), c.Owed...)
	for i := range c.Owed {
		c.Owed[i].ResourceID = c.Resources[1].ID
	}
	return c
}

func (b *bench) add(what, disk string, f Figures, before cpuTimes) {
	after := b.cpu()
	n := float64(max(f.Referrals, 1))
	b.report.Runs = append(b.report.Runs, Run{
		What: what, Disk: disk, Figures: f,
		AdapterCPU: milliseconds(after.adapter-before.adapter) / n, DatabaseCPU: milliseconds(after.database-before.database) / n,
	})
}

// deliveries lets the GP systems answer again, waits until nothing is owed, and then
// measures the way of single referrals sent at a fixed rate.
func (b *bench) deliveries(ctx context.Context) error {
	since := time.Now()
	if err := b.fault(ctx, `{"down":false}`); err != nil {
		return err
	}
	if err := b.settled(ctx); err != nil {
		return err
	}
	var err error
	if b.report.WriteBacks, err = measure.DeliveredSince(ctx, b.world.DatabaseURL, since); err != nil {
		return err
	}
	since = time.Now()
	if err := b.paced(ctx, 10*time.Millisecond); err != nil {
		return err
	}
	if err := b.settled(ctx); err != nil {
		return err
	}
	b.report.Latency, err = measure.DeliveredSince(ctx, b.world.DatabaseURL, since)
	return err
}

// paced sends one referral each interval.
func (b *bench) paced(ctx context.Context, interval time.Duration) error {
	token, err := b.world.Token(ctx, "gp-a")
	if err != nil {
		return err
	}
	h := NewHammer(b.world.FHIRBase, b.world.Clients["gp-a"].ODS, token, 1, 0)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for end := time.Now().Add(b.duration); time.Now().Before(end); <-tick.C {
		if err := h.send(ctx, simulator.NewSample(b.rng, h.ods, uuid.NewString())); err != nil {
			return err
		}
	}
	return nil
}

// settled waits until nothing is owed any more.
func (b *bench) settled(ctx context.Context) error {
	for {
		n, err := measure.Owed(ctx, b.world.DatabaseURL)
		if err != nil || n == 0 {
			return err
		}
		if !world.Pause(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
}

func (b *bench) fault(ctx context.Context, body string) error {
	for _, base := range b.world.GPSystems {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/$fault", strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := world.HTTP.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode >= 300 {
			return fmt.Errorf("the GP system answered %s when it was told to misbehave", resp.Status)
		}
	}
	return nil
}

// cpuTimes are what the adapter and all of PostgreSQL have used.
type cpuTimes struct{ adapter, database time.Duration }

func (b *bench) cpu() cpuTimes {
	t := cpuTimes{adapter: cpuOf(b.world.AdapterPID)}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || !descends(pid, b.Dev.Process.Pid) {
			continue
		}
		comm, _ := os.ReadFile("/proc/" + e.Name() + "/comm") // gone processes used nothing more
		if strings.TrimSpace(string(comm)) == "postgres" {
			t.database += cpuOf(pid)
		}
	}
	return t
}

// descends reports whether the process was started by the other, or by one that was.
func descends(pid, from int) bool {
	for pid > 1 && pid != from {
		fields := statOf(pid)
		if len(fields) < 2 {
			return false
		}
		pid, _ = strconv.Atoi(fields[1])
	}
	return pid == from
}

// statOf are the fields of a process's stat after its name: its state, its parent, ...
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func statOf(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
}

// cpuOf is the user and system time that a process has used.
func cpuOf(pid int) time.Duration {
	fields := statOf(pid)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	return time.Duration(user+system) * tick
}

func residentMiB(pid int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	var size, resident int
	_, _ = fmt.Sscan(string(b), &size, &resident)
	return float64(resident*os.Getpagesize()) / (1 << 20)
}

func (b *bench) print() {
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "what\tdisk\tclients\t/s\tp50 ms\tp99 ms\tadapter CPU ms\tPostgreSQL CPU ms\t")
	for _, r := range b.report.Runs {
		fmt.Fprintf(w, "%s\t%s\t%d\t%.0f\t%.2f\t%.2f\t%.3f\t%.3f\t\n", r.What, r.Disk, r.Clients, r.PerSecond, r.P50, r.P99, r.AdapterCPU, r.DatabaseCPU)
	}
	_ = w.Flush()
	fmt.Fprintf(b.out, "\nready after %.0f ms, idle %.0f MiB\ncommit to the GP system's answer at 100/s: p50 %.1f ms, p99 %.1f ms (%d)\nbacklog: %d write-backs at %.0f/s\n",
		b.report.ReadyMS, b.report.IdleMiB, b.report.Latency.P50, b.report.Latency.P99, b.report.Latency.Items, b.report.WriteBacks.Items, b.report.WriteBacks.PerSecond)
	fmt.Fprintf(b.out, "England's 1.3 million referrals of a year, received at 8 clients: %.0f minutes\n", 1.3e6/b.at(8)/60)
}

// at is the rate of referrals at so many clients, on the disk as it is.
func (b *bench) at(clients int) float64 {
	for _, r := range b.report.Runs {
		if r.What == "referral" && r.Disk == "as it is" && r.Clients == clients {
			return r.PerSecond
		}
	}
	return 0
}
