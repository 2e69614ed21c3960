package report

import (
	"bytes"
	"fmt"
	"strings"

	"caselink.example/conformance/kit"
)

// reportMarkdown is the summary for a pull request.
func reportMarkdown(r kit.Report) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Conformance: %s\n\n", r.Verdict)
	fmt.Fprintf(&b, "%s in %s. Role %s, target %s", r.Summary(), r.Took(), r.Role, cell(r.Target.Base))
	if r.Target.Software != "" {
		fmt.Fprintf(&b, " (%s)", cell(r.Target.Software))
	}
	fmt.Fprintf(&b, ", kit %s, seed `%s`.\n", r.Kit, r.Seed)
	for _, s := range r.Suites {
		fmt.Fprintf(&b, "\n## %s\n\n| verdict | check | what | why not |\n|---|---|---|---|\n", cell(s.Title))
		for _, g := range s.Groups {
			for _, c := range g.Checks {
				fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", c.Verdict, c.ID, cell(c.Title), cell(c.Because))
			}
		}
	}
	return b.Bytes(), nil
}

// cell is a text within a table of Markdown.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "`", "'").Replace(s)
}
