package auditlog

import "redoubt/internal/fault"

// statuses are the exit statuses of Solaris Cluster's commands; the log writes them whatever name a command was called by.
var statuses = map[fault.Code]int{
	"": 0, fault.Invalid: 3, fault.Denied: 6, fault.Precondition: 10, fault.Internal: 18, fault.Unavailable: 35,
	fault.Timeout: 35, fault.NotFound: 36, fault.Unsupported: 37, fault.Conflict: 38, fault.Exists: 39,
}

// Status is the exit status that END has in the log.
func Status(code fault.Code) int {
	if s, ok := statuses[code]; ok {
		return s
	}
	return statuses[fault.Internal]
}
