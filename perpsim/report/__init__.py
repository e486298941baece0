"""The report of a run folder: one HTML file that works offline, and the flow of money as a picture."""

from perpsim.report.data import ReportError
from perpsim.report.page import write_report
from perpsim.report.picture import money_flow_svg, write_money_flow

__all__ = ["ReportError", "money_flow_svg", "write_money_flow", "write_report"]
