package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress draws how far long work is, on a terminal; in a pipe it is quiet.
type progress struct {
	w     io.Writer
	shown time.Time
	wide  int
}

const barWidth = 30

// newProgress draws on w when that is a terminal.
func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	if !ok {
		return &progress{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progress{}
	}
	return &progress{w: w}
}

// step shows what is done; of is 0 where the end is not known. It draws at most
// twenty times a second, and always the end.
func (p *progress) step(what string, done, of int) {
	if p.w == nil || time.Since(p.shown) < 50*time.Millisecond && done != of {
		return
	}
	p.shown = time.Now()
	line := fmt.Sprintf("%s %d", what, done)
	if of > 0 {
		filled := min(done, of) * barWidth / of
		bar := strings.Repeat("#", filled) + strings.Repeat(".", barWidth-filled)
		line = fmt.Sprintf("[%s] %d/%d %s", bar, done, of, what)
	}
	// At the old width, to wipe out what was longer.
	fmt.Fprintf(p.w, "\r%-*s", p.wide, line)
	p.wide = len(line)
}

// end clears the line, so that what is printed next stands alone.
func (p *progress) end() {
	if p.w != nil && p.wide > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.wide, "")
		p.wide = 0
	}
}
