package report

import (
	"encoding/xml"
	"fmt"
	"strings"

	"caselink.example/conformance/kit"
)

// What is written of JUnit's XML, which has no specification: the elements that CI servers
// read.
type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// reportJUnit has a testsuite for each group; what was not tried is skipped.
func reportJUnit(r kit.Report) ([]byte, error) {
	var out junitSuites
	for _, s := range r.Suites {
		for _, g := range s.Groups {
			out.Suites = append(out.Suites, junitOf(r, s.ID+"."+g.ID, g))
		}
	}
	raw, err := xml.MarshalIndent(out, "", "  ")
	return append([]byte(xml.Header), append(raw, '\n')...), err
}

// junitOf is the testsuite of one group.
func junitOf(r kit.Report, name string, g kit.GroupReport) junitSuite {
	suite := junitSuite{Name: name, Tests: len(g.Checks), Timestamp: r.Started.Format("2006-01-02T15:04:05")}
	var millis int64
	for _, c := range g.Checks {
		tc := junitCase{Class: name, Name: c.ID + ": " + c.Title, Time: seconds(c.Millis)}
		switch c.Verdict {
		case kit.Pass:
		case kit.Fail:
			tc.Failure = &junitMessage{Message: c.Because, Text: faultLines(c)}
			suite.Failures++
		// Skipped and not passed: what was not tried must not turn a build green unseen.
		default:
			tc.Skipped = &junitMessage{Message: string(c.Verdict) + ": " + c.Because}
			suite.Skipped++
		}
		millis += c.Millis
		suite.Cases = append(suite.Cases, tc)
	}
	suite.Time = seconds(millis)
	return suite
}

func seconds(millis int64) string { return fmt.Sprintf("%d.%03d", millis/1000, millis%1000) }

// faultLines are the faults of a check with the command that sends each request again.
func faultLines(c kit.CheckReport) string {
	var b strings.Builder
	for _, s := range c.Steps {
		for _, f := range s.Faults {
			fmt.Fprintf(&b, "%s: expected %s, got %s\n", f.What, f.Expected, f.Actual)
		}
		if len(s.Faults) > 0 {
			b.WriteString(s.Exchange.Curl + "\n")
		}
	}
	return b.String()
}
