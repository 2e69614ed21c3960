package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"caselink.example/cmd/caselink/internal/world"
	"caselink.example/connectors/api/edge/edgetest"
	"caselink.example/connectors/simulator"
)

// binary is the program as it is shipped: CASELINK_BIN, else built once.
var binary = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("CASELINK_BIN"); bin != "" {
		return bin, nil
	}
	dir, err := os.MkdirTemp("", "caselink-test-bin-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "caselink")
	out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
})

// devTest is a caselink dev of one test, driven from outside.
type devTest struct {
	*testing.T
	world.World
	dir     string
	printed string // file of what it prints
}

// output is what caselink dev has printed so far.
func (d *devTest) output() string {
	b, _ := os.ReadFile(d.printed) // for failure messages, and there from the start
	return string(b)
}

// startDev runs caselink dev in a folder of its own until the test ends.
func startDev(t *testing.T) *devTest {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	d := &devTest{T: t, dir: t.TempDir(), printed: filepath.Join(t.TempDir(), "printed")}
	out, err := os.Create(d.printed)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(bin, "dev", "--listen", "127.0.0.1:0", "--data", d.dir, "--demo=false")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("caselink dev ended badly: %v\n%s", err, d.output())
		}
	})
	d.until("caselink dev is ready", func() bool {
		d.World, err = world.Read(d.dir)
		return err == nil
	})
	return d
}

// until waits for something that becomes true.
func (d *devTest) until(what string, holds func() bool) {
	d.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			d.Fatalf("never: %s\n%s", what, d.output())
		}
	}
}

// as is a token of the client.
func (d *devTest) as(client string) string {
	d.Helper()
	token, err := d.Token(context.Background(), http.DefaultClient, client)
	if err != nil {
		d.Fatal(err)
	}
	return token
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// at reads a value of the answer's JSON by its path, such as "cases", 0, "id".
func (a answer) at(path ...any) any { return edgetest.At(a.body, path...) }

// call sends one request; header holds names and values in turn.
func (d *devTest) call(method, url, token, body string, header ...string) answer {
	d.Helper()
	a, err := request(method, url, token, body, header...)
	if err != nil {
		d.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

func request(method, url, token, body string, header ...string) (answer, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, raw}, err
}

// post sends a ServiceRequest to the FHIR API at base.
func (d *devTest) post(base, client string, body []byte) answer {
	d.Helper()
	return d.call(http.MethodPost, base+"/ServiceRequest", d.as(client), string(body), "Content-Type", "application/fhir+json")
}

// refer sends a referral of the practice and returns the id of its ServiceRequest.
func (d *devTest) refer(client string, r simulator.Sample) string {
	d.Helper()
	a := d.post(d.FHIRBase, client, r.JSON)
	if a.status != http.StatusCreated {
		d.Fatalf("referral: status %d\n%s", a.status, a.body)
	}
	id, _ := a.at("id").(string)
	return id
}

// caseOf is the case of a referral, as the service's app sees it.
func (d *devTest) caseOf(client, referral string) (id, etag string, a answer) {
	d.Helper()
	list := d.call(http.MethodGet, d.CaseAPI+"/cases?limit=200", d.as(client), "")
	all, _ := list.at("cases").([]any)
	for _, c := range all {
		m := c.(map[string]any)
		if m["referral"].(map[string]any)["id"] == referral {
			id = m["id"].(string)
			a = d.call(http.MethodGet, d.CaseAPI+"/cases/"+id, d.as(client), "")
			return id, a.header.Get("ETag"), a
		}
	}
	d.Fatalf("no case of referral %s among %d\n%s", referral, len(all), list.body)
	return "", "", a
}

// move makes one move of the case; more is further JSON of the request's body.
func (d *devTest) move(client, id, etag, to, more string) answer {
	d.Helper()
	body := fmt.Sprintf(`{"to":%q,"actor":{"name":"Ola Example","role":"link worker"}%s}`, to, more)
	return d.call(http.MethodPost, d.CaseAPI+"/cases/"+id+"/transitions", d.as(client), body,
		"Content-Type", "application/json", "If-Match", etag)
}

// moves makes the moves in turn, and returns the last ETag.
func (d *devTest) moves(client, id, etag string, to ...string) string {
	d.Helper()
	for _, state := range to {
		a := d.move(client, id, etag, state, "")
		if a.status != http.StatusOK {
			d.Fatalf("move to %s: status %d\n%s", state, a.status, a.body)
		}
		etag = a.header.Get("ETag")
	}
	return etag
}

// misbehave sets what the GP system of the practice does wrong.
func (d *devTest) misbehave(ods, fault string) {
	d.Helper()
	d.call(http.MethodPost, d.GPSystems[ods]+"/$fault", "", fault, "Content-Type", "application/json")
}

// tasks are the statuses that the GP system of the practice saw, oldest first.
func (d *devTest) tasks(ods, referral string) (statuses []string, tasks int) {
	d.Helper()
	gp := d.GPSystems[ods]
	found := d.call(http.MethodGet, gp+"/Task?_count=1000&focus="+d.FHIRBase+"/ServiceRequest/"+referral, "", "")
	entries, _ := found.at("entry").([]any)
	for i := range entries {
		id := found.at("entry", i, "resource", "id").(string)
		history := d.call(http.MethodGet, gp+"/Task/"+id+"/_history", "", "")
		versions, _ := history.at("entry").([]any)
		for j := range slices.Backward(versions) {
			statuses = append(statuses, history.at("entry", j, "resource", "status").(string))
		}
	}
	return statuses, len(entries)
}
