"""Finds a project's flows without running its code, and loads the selected ones in isolation."""

from meta_prefect.flows.files import python_files
from meta_prefect.flows.import_graph import uses_meta_prefect
from meta_prefect.flows.loader import ProjectModules, load_flow
from meta_prefect.flows.lookup import check_entrypoint, choose_flow
from meta_prefect.flows.scan import FlowSource, FoundFlows, find_flows
from meta_prefect.flows.syntax import UnreadFile

__all__ = [
    "FlowSource",
    "FoundFlows",
    "ProjectModules",
    "UnreadFile",
    "check_entrypoint",
    "choose_flow",
    "find_flows",
    "load_flow",
    "python_files",
    "uses_meta_prefect",
]
