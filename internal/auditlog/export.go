package auditlog

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The formats of an export.
const (
	FormatJSON = "jsonl"
	FormatOCSF = "ocsf"
	FormatCEF  = "cef"
)

// Formats names the formats of an export.
func Formats() []string { return []string{FormatJSON, FormatOCSF, FormatCEF} }

// Export writes a command for another program, on one line.
func Export(format, cluster string, e Entry) (string, error) {
	var doc any
	switch format {
	case FormatCEF:
		return cef(cluster, e), nil
	case FormatOCSF:
		doc = ocsf(cluster, e)
	case FormatJSON:
		doc = exported{cluster, e.State, e.Record, outcome(e)}
	default:
		return "", fmt.Errorf("there is no format %q", format)
	}
	b, err := json.Marshal(doc)
	return string(b), err
}

// exported is a command with its end, as one object.
type exported struct {
	Cluster string `json:"cluster"`
	State   string `json:"state"`
	Record
	End *Record `json:"outcome,omitempty"`
}

func outcome(e Entry) *Record {
	if e.Outcome.Kind != End {
		return nil
	}
	return &e.Outcome
}

// ocsfVersion is the version of the Open Cybersecurity Schema Framework that is written.
const ocsfVersion = "1.3.0"

// What the API Activity class (6003) calls kinds of activity.
const (
	ocsfClass  = 6003
	ocsfCreate = 1
	ocsfRead   = 2
	ocsfUpdate = 3
	ocsfDelete = 4
	ocsfOther  = 99
)

// activity sorts an operation into what the class knows.
func activity(operation string) (id int, name string) {
	_, verb, _ := strings.Cut(operation, " ")
	word, _, _ := strings.Cut(verb, "-")
	switch word {
	case "create", "add", "register", "allow", "join", "admit":
		return ocsfCreate, "Create"
	case "delete", "remove", "unregister", "deny", "clear":
		return ocsfDelete, "Delete"
	case "list", "show", "status", "snapshot", "export", "verify", "check":
		return ocsfRead, "Read"
	case "":
		return ocsfOther, "Other"
	}
	return ocsfUpdate, "Update"
}

// ocsf gives a command as an event of the class API Activity.
func ocsf(cluster string, e Entry) map[string]any {
	id, name := activity(e.Operation)
	statusID, status, severity := 0, "Unknown", 1
	switch e.State {
	case StateDone:
		statusID, status = 1, "Success"
	case StateFailed, StateInterrupted:
		statusID, status, severity = 2, "Failure", 2
	case StateDenied:
		statusID, status, severity = 2, "Failure", 3
	}
	user := map[string]any{"name": e.User}
	if uid, ok := strings.CutPrefix(e.From, "uid "); ok {
		user["uid"] = uid
	}
	if e.Role != "" {
		user["groups"] = []map[string]any{{"name": e.Role, "type": "role"}}
	}
	actor := map[string]any{"user": user}
	if e.PID != 0 {
		actor["process"] = map[string]any{"pid": e.PID, "cmd_line": e.Command}
	}
	source := map[string]any{"hostname": e.Node}
	if e.From != "" && !strings.HasPrefix(e.From, "uid ") {
		source = map[string]any{"ip": e.From}
	}
	if e.Certificate != "" {
		source["uid"] = e.Certificate
	}
	var resources []map[string]any
	noun, _, _ := strings.Cut(e.Operation, " ")
	for _, o := range e.Objects {
		resources = append(resources, map[string]any{"name": o, "type": noun})
	}
	api := map[string]any{"operation": e.Operation, "service": map[string]any{"name": "redoubt"}, "request": map[string]any{"uid": fmt.Sprintf("%s/%d", e.Node, e.Seq)}}
	if e.State == StateFailed || e.State == StateDenied {
		api["response"] = map[string]any{"code": exit(e), "error": e.Outcome.Code, "error_message": e.Outcome.Error}
	}
	out := map[string]any{
		"category_uid": ocsfClass / 1000, "category_name": "Application Activity", "class_uid": ocsfClass, "class_name": "API Activity",
		"activity_id": id, "activity_name": name, "type_uid": ocsfClass*100 + id, "type_name": "API Activity: " + name,
		"time": e.Time.UnixMilli(), "severity_id": severity, "severity": [...]string{"", "Informational", "Low", "Medium"}[severity],
		"status_id": statusID, "status": status, "message": e.Command, "actor": actor, "api": api, "src_endpoint": source,
		"metadata": map[string]any{
			"version": ocsfVersion, "uid": fmt.Sprintf("%s/%s/%d", cluster, e.Node, e.Seq), "log_name": NameText, "log_provider": e.Node,
			"product": map[string]any{"name": "Redoubt", "vendor_name": "Redoubt"},
		},
		"unmapped": map[string]any{"cluster": cluster, "state": e.State, "resource": e.Resource, "count": e.Count},
	}
	if len(resources) > 0 {
		out["resources"] = resources
	}
	if e.Outcome.Kind == End {
		out["end_time"], out["start_time"], out["duration"] = e.Outcome.Time.UnixMilli(), e.Time.UnixMilli(), e.Outcome.Millis
	}
	if e.Outcome.Error != "" {
		out["status_detail"] = e.Outcome.Error
	}
	return out
}

func exit(e Entry) int {
	if e.Outcome.Exit != nil {
		return *e.Outcome.Exit
	}
	return Status("denied")
}

// cef gives a command in the Common Event Format.
func cef(cluster string, e Entry) string {
	header := strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\n", " ", "\r", " ")
	value := strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`)
	severity := map[string]int{StateDone: 1, StateRunning: 1, StateFailed: 4, StateInterrupted: 5, StateDenied: 7}[e.State]
	signature := e.Operation
	if signature == "" {
		signature = "request"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CEF:0|Redoubt|Redoubt|1|%s|%s|%d|", header.Replace(signature), header.Replace(signature+" "+e.State), severity)
	put := func(key, v string) {
		if v != "" {
			fmt.Fprintf(&b, "%s=%s ", key, value.Replace(v))
		}
	}
	put("rt", fmt.Sprint(e.Time.UnixMilli()))
	put("dvchost", e.Node)
	put("externalId", fmt.Sprintf("%s/%d", e.Node, e.Seq))
	put("suser", e.User)
	if uid, ok := strings.CutPrefix(e.From, "uid "); ok {
		put("suid", uid)
	} else {
		put("src", e.From)
	}
	put("spriv", e.Role)
	if e.PID != 0 {
		put("spid", fmt.Sprint(e.PID))
	}
	put("act", e.Operation)
	put("outcome", map[string]string{StateDone: "success", StateRunning: "running", StateInterrupted: "unknown"}[e.State])
	if e.State == StateFailed || e.State == StateDenied {
		put("outcome", "failure")
		put("reason", e.Outcome.Error)
	}
	if e.Outcome.Kind == End {
		put("end", fmt.Sprint(e.Outcome.Time.UnixMilli()))
		put("start", fmt.Sprint(e.Time.UnixMilli()))
	}
	put("cs1Label", "cluster")
	put("cs1", cluster)
	put("cs2Label", "certificate")
	put("cs2", e.Certificate)
	put("cs3Label", "resource")
	put("cs3", e.Resource)
	put("msg", e.Command)
	return strings.TrimSuffix(b.String(), " ")
}

// when writes a time for RFC 5424.
func when(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z07:00") }
