package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// statuses is the one table from fault codes to HTTP.
var statuses = map[fault.Code]int{
	fault.Invalid:      http.StatusBadRequest,
	fault.NotFound:     http.StatusNotFound,
	fault.Exists:       http.StatusConflict,
	fault.Conflict:     http.StatusConflict,
	fault.Denied:       http.StatusForbidden,
	fault.Precondition: http.StatusPreconditionFailed,
	fault.Unavailable:  http.StatusServiceUnavailable,
	fault.Timeout:      http.StatusGatewayTimeout,
	fault.Unsupported:  http.StatusNotImplemented,
	fault.Internal:     http.StatusInternalServerError,
}

// failure is an error on its way out.
type failure v1.Error

// Error implements error.
func (f *failure) Error() string { return f.Message }

// GetStatus implements huma.StatusError.
func (f *failure) GetStatus() int {
	if status, ok := statuses[fault.Code(f.Code)]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// failed turns any error into a failure. What has no code is ours, and its text stays in the log.
func failed(err error, id string) *failure {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return &failure{Code: string(e.Code), Message: e.Text, Detail: e.Detail}
	}
	return &failure{Code: string(fault.Internal), Message: "internal error; the log of the daemon has it under request " + id}
}

// refusedBySchema makes the errors of huma ours: what it finds wrong with a request, all of it at once.
func refusedBySchema(_ int, message string, errs ...error) huma.StatusError {
	var lines []string
	for _, err := range errs {
		if err == nil {
			continue
		}
		if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
			where := strings.TrimPrefix(strings.TrimPrefix(d.Location, "body"), ".")
			where = strings.TrimPrefix(where, "query.")
			if where != "" {
				where += ": "
			}
			lines = append(lines, where+d.Message)
			continue
		}
		lines = append(lines, err.Error())
	}
	if len(lines) == 1 {
		return &failure{Code: string(fault.Invalid), Message: "the request is wrong: " + lines[0]}
	}
	return &failure{Code: string(fault.Invalid), Message: "the request is wrong: " + message, Detail: strings.Join(lines, "\n")}
}

// write sends the failure, if nothing else was sent before.
func (f *failure) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.GetStatus())
	_ = json.NewEncoder(w).Encode(v1.Error(*f))
}
