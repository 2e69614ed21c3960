package child_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"caselink.example/connectors/store/cluster/child"
)

// parentRole is set for the copy of this test program that plays the parent which is killed.
const parentRole = "CASELINK_TEST_CHILD_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(parentRole) != "" {
		cmd := exec.Command("sleep", "600")
		cmd.Stdout = os.Stdout // open for as long as it lives
		_, err := child.Start(cmd, syscall.SIGKILL)
		fmt.Println("started", err)
		select {}
	}
	os.Exit(m.Run())
}

func TestChildDiesWithItsKilledParent(t *testing.T) {
	t.Parallel()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentRole+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(out)
	if line, _ := said.ReadString('\n'); line != "started <nil>\n" {
		t.Fatalf("the parent said %q", line)
	}

	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}

	if _, err := io.Copy(io.Discard, said); err != nil { // ends when the last process that writes has ended
		t.Error(err)
	}
	_ = parent.Wait() // killed, as asked
}

func TestDoneSaysHowItEnded(t *testing.T) {
	t.Parallel()
	p := start(t, exec.Command("sh", "-c", "exit 3"))

	<-p.Done()

	if got := fmt.Sprint(p.Err()); got != "exit status 3" {
		t.Errorf("Err() = %s, want exit status 3", got)
	}
}

func TestStopKillsWhatDoesNotListen(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", "trap '' TERM; echo ready; exec sleep 600")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, cmd)
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}

	p.Stop(syscall.SIGTERM, 10*time.Millisecond)

	if got := fmt.Sprint(p.Err()); got != "signal: killed" {
		t.Errorf("Err() = %s, want it killed", got)
	}
}

func TestMissingProgramIsAnError(t *testing.T) {
	t.Parallel()

	_, err := child.Start(exec.Command("/no/such/program"), syscall.SIGKILL)

	if err == nil {
		t.Error("Start() of a missing program succeeded")
	}
}

func start(t *testing.T, cmd *exec.Cmd) *child.Process {
	t.Helper()
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(syscall.SIGKILL, time.Second) })
	return p
}
