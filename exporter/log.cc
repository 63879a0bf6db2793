#include "exporter/log.h"
