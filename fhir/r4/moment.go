package r4

import (
	"strings"
	"time"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"
)

// Text is a Date, a DateTime, an Instant or a Time as it was sent: as precise, to the
// microsecond, and with the same zone; "" for one that has no value or is nil, and for
// messages of other types. https://hl7.org/fhir/R4/datatypes.html#dateTime
func Text(m proto.Message) string {
	at, p := momentOf(m)
	var text [len("2006-01-02T15:04:05.000000+01:00")]byte
	b, ok := at.append(text[:0], p)
	if !ok {
		return ""
	}
	return string(b)
}

// NotAfter compares two moments as FHIRPath does: part by part. It is undecided, which
// is false, when all parts that both have are equal but one is more precise. What is no
// moment has no order and is not after anything.
// https://hl7.org/fhirpath/N1/#comparison
func NotAfter(a, b string) bool {
	first, okA := parseMoment(dateTimeType, a)
	second, okB := parseMoment(dateTimeType, b)
	switch {
	case !okA || !okB:
		return true
	case first.precision >= secondPrecision && second.precision >= secondPrecision:
		return first.us <= second.us
	}

	// A day has no zone, so a day and a moment within it are compared as they are written.
	shared := min(len(a), len(b), len(time.DateOnly))
	return a[:shared] < b[:shared] || a == b
}

// precision says how much of a moment was sent.
type precision uint8

const (
	yearPrecision precision = iota + 1
	monthPrecision
	dayPrecision
	secondPrecision
	millisecondPrecision
	microsecondPrecision
)

// moment is a date, a dateTime, an instant or a time of day as google/fhir's messages
// hold it: microseconds since 1970 (since midnight for a time), what was sent as zone
// and how precise it was. Digits beyond microseconds are cut; the bytes keep them.
type moment struct {
	us        int64
	zone      string // Z, +01:00; UTC for a date without a time
	precision precision
}

// momentOf reads a message of one of the four types; notPrimitive for any other.
func momentOf(m proto.Message) (moment, primitive) {
	switch v := m.(type) {
	case *dtpb.Date:
		return moment{v.GetValueUs(), v.GetTimezone(), precision(v.GetPrecision())}, dateType
	case *dtpb.DateTime:
		return moment{v.GetValueUs(), v.GetTimezone(), precision(v.GetPrecision())}, dateTimeType
	case *dtpb.Instant:
		return moment{v.GetValueUs(), v.GetTimezone(), clockPrecision(int32(v.GetPrecision()))}, instantType
	case *dtpb.Time:
		return moment{v.GetValueUs(), "", clockPrecision(int32(v.GetPrecision()))}, timeType
	}
	return moment{}, notPrimitive
}

// clockPrecision is the precision of a type that has no less than seconds, whose
// messages therefore begin to count there; 0 for one that is not set.
func clockPrecision(p int32) precision {
	if p == 0 {
		return 0
	}
	return dayPrecision + precision(p)
}

// parseMoment reads text as a value of type p.
func parseMoment(p primitive, text string) (m moment, ok bool) {
	if p == timeType {
		clock, precision, rest, ok := cutClock(text)
		return moment{us: clock.Microseconds(), precision: precision}, ok && rest == ""
	}
	day, precision, rest, ok := cutDay(text)
	m = moment{us: day.UnixMicro(), zone: "UTC", precision: precision}
	if !ok {
		return m, false
	}
	if rest == "" {
		return m, p != instantType
	}
	if p == dateType || precision != dayPrecision || rest[0] != 'T' {
		return m, false
	}
	clock, precision, zone, ok := cutClock(rest[1:])

	// Kept in UTC beside the zone as sent: the first compares, the second is written back.
	offset, known := parseZone(zone)
	return moment{us: m.us + (clock - offset).Microseconds(), zone: zone, precision: precision}, ok && known
}

// cutDay reads YYYY, YYYY-MM or YYYY-MM-DD, which must be a day of the calendar.
func cutDay(s string) (day time.Time, p precision, rest string, ok bool) {
	year, s, ok := number(s, 4)
	if !ok || year == 0 {
		return day, 0, s, false
	}
	month, date, p := 1, 1, yearPrecision
	if r, dash := strings.CutPrefix(s, "-"); dash {
		if month, s, ok = number(r, 2); !ok || month < 1 || month > 12 {
			return day, 0, s, false
		}
		p = monthPrecision
		if r, dash = strings.CutPrefix(s, "-"); dash {
			if date, s, ok = number(r, 2); !ok || date < 1 {
				return day, 0, s, false
			}
			p = dayPrecision
		}
	}

	// time.Date makes 3 March of 31 February: the day that comes back shows it.
	day = time.Date(year, time.Month(month), date, 0, 0, 0, 0, time.UTC)
	return day, p, s, day.Day() == date
}

// cutClock reads hh:mm:ss with any fraction. A leap second is the second after it.
func cutClock(s string) (clock time.Duration, p precision, rest string, ok bool) {
	h, s, ok1 := number(s, 2)
	s, colon1 := strings.CutPrefix(s, ":")
	m, s, ok2 := number(s, 2)
	s, colon2 := strings.CutPrefix(s, ":")
	sec, s, ok3 := number(s, 2)
	ok = ok1 && ok2 && ok3 && colon1 && colon2 && h < 24 && m < 60 && sec <= 60
	clock = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second
	fraction, point := strings.CutPrefix(s, ".")
	if !point {
		return clock, secondPrecision, s, ok
	}
	n := 0
	for unit := 100 * time.Millisecond; n < len(fraction) && isDigit(fraction[n]); n++ {
		// Digits beyond microseconds are cut, for google/fhir has no room for them.
		clock += time.Duration(fraction[n]-'0') * unit / time.Microsecond * time.Microsecond
		unit /= 10
	}
	p = millisecondPrecision
	if n > 3 {
		p = microsecondPrecision
	}
	return clock, p, fraction[n:], ok && n > 0
}

// parseZone reads Z or an offset of at most 14 hours.
func parseZone(s string) (offset time.Duration, ok bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	h, _, ok1 := number(s[1:3], 2)
	m, _, ok2 := number(s[4:], 2)
	offset = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, ok1 && ok2 && m < 60 && offset.Abs() <= 14*time.Hour
}

// number reads exactly the digits asked for.
func number(s string, digits int) (n int, rest string, ok bool) {
	if len(s) < digits {
		return 0, s, false
	}
	for i := range digits {
		if !isDigit(s[i]) {
			return 0, s, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, s[digits:], true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// append writes the moment as a value of type p.
func (m moment) append(b []byte, p primitive) ([]byte, bool) {
	layouts := [...]string{
		yearPrecision: "2006", monthPrecision: "2006-01", dayPrecision: "2006-01-02", secondPrecision: "15:04:05",
		millisecondPrecision: "15:04:05.000", microsecondPrecision: "15:04:05.000000",
	}
	if m.precision == 0 || int(m.precision) >= len(layouts) {
		return b, false
	}
	layout := layouts[m.precision]
	at := time.UnixMicro(m.us).UTC()
	switch {
	case p == timeType:
		return at.AppendFormat(b, layout), m.precision >= secondPrecision
	case m.precision < secondPrecision:
		// google/fhir's own decoder keeps a day as midnight in a zone of its choice: only there
		// is it the same day.
		if m.zone != "" && m.zone != "UTC" && m.zone != "Z" {
			offset, ok := parseZone(m.zone)
			return at.Add(offset).AppendFormat(b, layout), ok
		}
		return at.AppendFormat(b, layout), true
	}
	zone := m.zone
	if zone == "" || zone == "UTC" {
		zone = "Z"
	}
	offset, ok := parseZone(zone)
	b = at.Add(offset).AppendFormat(b, "2006-01-02T"+layout)
	return append(b, zone...), ok
}
