package incident

import (
	"encoding/json"
	"fmt"
	"slices"
)

// stix takes the incidents and sightings of a bundle of STIX 2.1. Of an object that is there in several versions the newest counts; what was revoked does not.
func (x *importer) stix(text []byte) error {
	var bundle struct {
		Type    string           `json:"type"`
		Objects []map[string]any `json:"objects"`
	}
	if err := json.Unmarshal(text, &bundle); err != nil {
		return fmt.Errorf("this is no bundle of STIX: %w", err)
	}
	if bundle.Type != "bundle" {
		return fmt.Errorf("this is no bundle of STIX: its type is %q", shorten(bundle.Type))
	}
	newest := map[string]map[string]any{}
	var order []string
	for _, o := range bundle.Objects {
		id := word(o, "id")
		before, known := newest[id]
		if !known {
			order = append(order, id)
		}
		if !known || word(o, "modified") > word(before, "modified") {
			newest[id] = o
		}
	}
	for _, id := range order {
		o := newest[id]
		if o["revoked"] == true {
			continue
		}
		switch word(o, "type") {
		case "incident":
			x.stixIncident(id, o)
		case "sighting":
			x.sighting(id, o, newest[word(o, "sighting_of_ref")])
		}
	}
	return nil
}

// stixRecord is what incidents and sightings have in common.
func stixRecord(id string, o map[string]any) *record {
	r := &record{Incident: Incident{ID: "stix:" + id, Note: word(o, "name")}, fields: map[string][]string{}}
	if r.Note == "" {
		r.Note = word(o, "description")
	}
	r.add("type", word(o, "type"))
	r.add("name", word(o, "name"))
	r.add("label", wordsOf(o, "labels")...)
	return r
}

// stixIncident takes an incident. The standard gives the object little more than a name; what an extension says of its kind and of its time is read too.
func (x *importer) stixIncident(id string, o map[string]any) {
	r := stixRecord(id, o)
	r.add("incident_type", wordsOf(o, "incident_types")...)
	r.Time = word(o, "created")
	for _, extension := range within(o, "extensions") {
		if e, ok := extension.(map[string]any); ok {
			r.add("incident_type", wordsOf(e, "incident_types")...)
			for _, name := range []string{"detected", "occurred", "incident_start"} {
				if at := word(e, name); at != "" {
					r.Time = at
				}
			}
		}
	}
	for _, values := range r.fields { // extensions come in no order
		slices.Sort(values)
	}
	x.take(id, r)
}

// sighting takes a sighting of something else of the bundle.
func (x *importer) sighting(id string, o, of map[string]any) {
	r := stixRecord(id, o)
	for _, name := range []string{"first_seen", "last_seen", "created"} {
		if r.Time == "" {
			r.Time = word(o, name)
		}
	}
	if n, ok := number(o, "count"); ok {
		if n == 0 {
			return // it was looked for and not seen
		}
		r.Count = int(min(n, 2e9)) // the check refuses what is too much
	}
	r.add("of_type", word(of, "type"))
	r.add("of_name", word(of, "name"))
	r.add("of_label", wordsOf(of, "labels")...)
	r.add("of_label", wordsOf(of, "malware_types")...)
	r.add("of_label", wordsOf(of, "indicator_types")...)
	if r.Note == "" {
		r.Note = "sighting of " + word(of, "name")
	}
	x.take(id, r)
}
