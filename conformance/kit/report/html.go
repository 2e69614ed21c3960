package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
	"time"

	"caselink.example/conformance/kit"
)

//go:embed report.html.tmpl
var pageSource string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"join":    strings.Join,
	"instant": func(t time.Time) string { return t.Format("2 January 2006, 15:04:05 UTC") },
}).Parse(pageSource))

// reportHTML is one page that needs nothing else.
func reportHTML(r kit.Report) ([]byte, error) {
	var b bytes.Buffer
	err := page.Execute(&b, struct {
		kit.Report
		Verdicts []kit.Verdict
		Took     time.Duration
		Failed   []kit.CheckReport
	}{r, kit.Verdicts, r.Took(), r.With(kit.Fail)})
	return b.Bytes(), err
}
