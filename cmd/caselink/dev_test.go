package main

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caselink.example/cmd/caselink/internal/world"
	"caselink.example/connectors/api/edge/edgetest"
)

func TestKilledAdapterIsStartedAgainAndNobodyIsRefused(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	killed := d.AdapterPID

	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	if a, err := request(http.MethodGet, d.PublicURL()+"/healthz", "", ""); err != nil || a.status != http.StatusOK {
		t.Errorf("a request while the adapter restarts: status %d, error %v", a.status, err)
	}
	d.until("dev.json names the new adapter", func() bool {
		now, err := world.Read(d.dir)
		return err == nil && now.AdapterPID != killed
	})
}

func TestKilledPostgreSQLIsStartedAgain(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	id := d.refer("gp-a", edgetest.NewReferral(d.Clients["gp-a"].ODS))

	if err := syscall.Kill(serverPID(t, d.dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	d.until("the referral can be read again", func() bool {
		a, err := request(http.MethodGet, d.FHIRBase+"/ServiceRequest/"+id, d.as("gp-a"), "")
		return err == nil && a.status == http.StatusOK
	})
}

func TestKilledDevLeavesNothingInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, world := launchDev(t, dir)
	id := (&devTest{T: t, World: world}).refer("gp-a", edgetest.NewReferral(world.Clients["gp-a"].ODS))

	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait() // killed, as asked
	second, world := launchDev(t, dir)

	after := &devTest{T: t, World: world}
	if a := after.call(http.MethodGet, world.FHIRBase+"/ServiceRequest/"+id, after.as("gp-a"), ""); a.status != http.StatusOK {
		t.Errorf("the referral that the first one acknowledged: status %d", a.status)
	}
	stopDev(t, second, dir)
}

func TestStoppedDevIsGoneWithAllItsParts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, world := launchDev(t, dir)
	server := serverPID(t, dir)

	stopDev(t, cmd, dir)

	for _, pid := range []int{world.AdapterPID, server} {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d still runs: %v", pid, err)
		}
	}
}

func TestOneFolderHasOneDev(t *testing.T) {
	t.Parallel()
	d := startDev(t)

	code, _, said := runHere(t, "dev", "--listen", "127.0.0.1:0", "--data", d.dir)

	if code != exitFault || !strings.Contains(said, "is in use by another caselink dev") {
		t.Errorf("a second dev: exit code %d, %q", code, said)
	}
	if _, err := world.Read(d.dir); err != nil {
		t.Errorf("the second dev has broken the first: %v", err)
	}
}

func TestDemoDataIsTheSameAtEachStart(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	read := func() (states map[string]int, all any) {
		a := d.call(http.MethodGet, d.CaseAPI+"/cases", d.as("linkworker"), "")
		states = map[string]int{}
		for i := 0; a.at("cases", i) != nil; i++ {
			states[a.at("cases", i, "status").(string)]++
		}
		return states, a.at("cases")
	}
	if err := world.Demo(t.Context(), http.DefaultClient, d.World); err != nil {
		t.Fatal(err)
	}
	states, first := read()

	if err := world.Demo(t.Context(), http.DefaultClient, d.World); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(map[string]int{"active": 1, "accepted": 1, "received": 2}, states); diff != "" {
		t.Errorf("cases by state (-want +got):\n%s", diff)
	}
	if _, second := read(); !cmp.Equal(first, second) {
		t.Errorf("the second start changed the cases:\n%s", cmp.Diff(first, second))
	}
}

// launchDev starts caselink dev and returns when it is ready; the test ends it.
func launchDev(t *testing.T, dir string) (*exec.Cmd, world.World) {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(filepath.Join(dir, world.File)) // that of one that was killed
	cmd := exec.Command(bin, "dev", "--listen", "127.0.0.1:0", "--data", dir, "--demo=false")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var w world.World
	(&devTest{T: t}).until("caselink dev is ready", func() bool {
		w, err = world.Read(dir)
		return err == nil
	})
	return cmd, w
}

// stopDev asks it to end, and wants exit code 0 and no dev.json.
func stopDev(t *testing.T, cmd *exec.Cmd, dir string) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("caselink dev ended badly: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, world.File)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("dev.json is still there: %v", err)
	}
}

// serverPID is the process of the PostgreSQL of a data folder.
func serverPID(t *testing.T, dir string) int {
	t.Helper()
	for _, home := range []string{"postgres", "postgres/home"} {
		text, err := os.ReadFile(filepath.Join(dir, home, "data", "postmaster.pid"))
		if err != nil {
			continue
		}
		first, _, _ := strings.Cut(string(text), "\n")
		pid, err := strconv.Atoi(first)
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	t.Fatalf("no PostgreSQL runs for %s", dir)
	return 0
}

func TestExampleOfTheWelcomeIsAReferral(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	example, err := os.ReadFile(filepath.Join(d.dir, "referral.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{http.StatusCreated, http.StatusOK} {
		a := d.post(d.FHIRBase, "gp-a", example)

		if a.status != want {
			t.Errorf("status %d, want %d: %s", a.status, want, a.body)
		}
	}
}
