package load

import (
	"fmt"
	"text/tabwriter"
)

// print writes the table.
func (t *trial) print() {
	w := tabwriter.NewWriter(t.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "what\tdisk\tclients\t/s\tp50 ms\tp99 ms\tadapter CPU ms\tPostgreSQL CPU ms\t")
	for _, r := range t.report.Runs {
		fmt.Fprintf(w, "%s\t%s\t%d\t%.0f\t%.2f\t%.2f\t%.3f\t%.3f\t\n",
			r.What, r.Disk, r.Clients, r.PerSecond, r.P50, r.P99, r.AdapterCPU, r.DatabaseCPU)
	}
	_ = w.Flush()

	l, backlog := t.report.Latency, t.report.WriteBacks
	fmt.Fprintf(t.Out, "\nready after %.0f ms, idle %.0f MiB\n", t.report.ReadyMS, t.report.IdleMiB)
	fmt.Fprintf(t.Out, "commit to the GP system's answer at 100/s: p50 %.1f ms, p99 %.1f ms (%d)\n", l.P50, l.P99, l.Items)
	fmt.Fprintf(t.Out, "backlog: %d write-backs at %.0f/s\n", backlog.Items, backlog.PerSecond)
	fmt.Fprintf(t.Out, "England's %.1f million referrals of a year, received at 8 clients: %.0f minutes\n",
		referralsOfAYear/1e6, referralsOfAYear/t.at(8)/60)
}

// referralsOfAYear is about how many people England refers to social prescribing in a year.
const referralsOfAYear = 1.3e6

// at is the rate of referrals at so many clients, on the disk as it is.
func (t *trial) at(clients int) float64 {
	for _, r := range t.report.Runs {
		if r.What == "referral" && r.Disk == diskAsItIs && r.Clients == clients {
			return r.PerSecond
		}
	}
	return 0
}
