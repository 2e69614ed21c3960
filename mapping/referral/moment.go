package referral

import (
	"time"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
)

// date is a date as precise as it was sent; "" for none.
func date(d *dtpb.Date) string {
	switch d.GetPrecision() {
	case dtpb.Date_YEAR:
		return day(d.GetValueUs(), "2006")
	case dtpb.Date_MONTH:
		return day(d.GetValueUs(), "2006-01")
	case dtpb.Date_DAY:
		return day(d.GetValueUs(), "2006-01-02")
	}
	return ""
}

// dateTime is a date or a moment as precise as it was sent, with the offset that it
// was sent with; "" for none.
func dateTime(d *dtpb.DateTime) string {
	switch d.GetPrecision() {
	case dtpb.DateTime_YEAR:
		return day(d.GetValueUs(), "2006")
	case dtpb.DateTime_MONTH:
		return day(d.GetValueUs(), "2006-01")
	case dtpb.DateTime_DAY:
		return day(d.GetValueUs(), "2006-01-02")
	case dtpb.DateTime_SECOND:
		return moment(d, "2006-01-02T15:04:05")
	case dtpb.DateTime_MILLISECOND:
		return moment(d, "2006-01-02T15:04:05.000")
	case dtpb.DateTime_MICROSECOND:
		return moment(d, "2006-01-02T15:04:05.000000")
	}
	return ""
}

// day has no zone: the decoder reads every date as UTC.
func day(us int64, layout string) string { return time.UnixMicro(us).UTC().Format(layout) }

// moment keeps the zone in the words of the sender: +00:00 and Z are kept apart.
func moment(d *dtpb.DateTime, layout string) string {
	t, zone := time.UnixMicro(d.GetValueUs()).UTC(), d.GetTimezone()
	offset, err := time.Parse("Z07:00", zone)
	if err != nil {
		return t.Format(layout) + "Z"
	}
	return t.In(offset.Location()).Format(layout) + zone
}
